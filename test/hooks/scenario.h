// scenario.h: what the files of the C library share.
//
// A scenario says in text what its calls returned. What happens at the other end is done by a
// thread, so that the scenario is the same where the calls park a fiber and where they block.
// Compiled with _FORTIFY_SOURCE, so both kinds of names are called.
#pragma once

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <lua.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { big = 4 << 20, pause_ms = 30 };

__attribute__((format(printf, 1, 2))) void say(const char* format, ...);
void result(const char* what, long value);
long now_ms(void);
void later(void (*run)(int), int fd);
void end_helper(void);
void put(int fd, const char* text);
void write_hello(int fd);
void write_two_parts(int fd);
void write_and_close(int fd);
void close_it(int fd);
void read_all(int fd);
void read_some_and_close(int fd);
void receive_what_is_there(int fd);
void send_urgent(int fd);
void signal_main(int fd);
void on_signal(int signal);
void make_pair(int type, int fds[2]);
int listener(struct sockaddr_in* address);
void connect_to_server(int fd);
void make_tcp_pair(int fds[2]);
int udp_socket(struct sockaddr_in* address);
void set_timeout(int fd, int option);
void set_blocking(int fd, int on);
void close_pair(int fds[2]);
extern pthread_t main_thread;
extern struct sockaddr_in server_address;
// Adds the rows to the text at `at`, each as "address port type protocol flags canonical name".
void show_rows(char* at, size_t room, const struct addrinfo* row);

void make_stream(int fds[2]);

void begin_transcript(void);
const char* transcript_text(size_t* size);

// The scenarios.
void poll_times_out(void);
void poll_sees_input(void);
void poll_sees_the_end(void);
void poll_many(void);
void poll_urgent(void);
void ppoll_with_a_mask(void);
void select_waits(void);
void sleeps(void);
void receive_unix(void);
void receive_tcp(void);
void receive_records(void);
void receive_with_flags(void);
void receive_with_timeout(void);
void receive_datagrams(void);
void receive_descriptor(void);
void send_unix(void);
void send_tcp(void);
void send_to_the_leaving(void);
void send_with_timeout(void);
void send_datagrams(void);
void connects(void);
void connect_waits_for_room(void);
void accepts(void);
void others(void);
void names_without_servers(void);

// Single calls for Lua.
int pair(lua_State* L);
int lua_poll(lua_State* L);
int lua_select(lua_State* L);
int lua_recv(lua_State* L);
int lua_send(lua_State* L);
int close_descriptor(lua_State* L);
int lua_nanosleep(lua_State* L);
int stubborn_sleep(lua_State* L);
int stubborn_poll(lua_State* L);
int signalled_poll(lua_State* L);
int poll_in_child(lua_State* L);
int poll_in_thread(lua_State* L);
int limit_descriptors(lua_State* L);
int call_back(lua_State* L);
int lookup(lua_State* L);
int host(lua_State* L);
