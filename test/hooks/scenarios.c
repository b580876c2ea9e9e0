// scenarios.c: a C library that waits in every way, for scenarios_test.lua.
//
// Each scenario says in text what its calls returned. What happens at the other end is done by a thread, so
// that the scenario is the same where the calls park a fiber and where they block. Compiled with
// _FORTIFY_SOURCE, so both kinds of names are called.
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

static char transcript[1 << 14];
static size_t said;

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...) {
    int before = errno;
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(transcript + said, sizeof transcript - said, format, arguments);
    va_end(arguments);
    if (n > 0) said += (size_t)n;
    errno = before;
}

// The result of a call, with errno's name when it failed.
static void result(const char *what, long value) {
    say("%s %ld%s%s\n", what, value, value < 0 ? " " : "", value < 0 ? strerrorname_np(errno) : "");
}

static long now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// -- The other end -----------------------------------------------------------------------------------

static pthread_t helper;

struct task {
    void (*run)(int fd);
    int fd;
};

static void *run_task(void *argument) {
    struct task task = *(struct task *)argument;
    free(argument);
    usleep(pause_ms * 1000);
    task.run(task.fd);
    return NULL;
}

// Runs the function in a thread, a little later.
static void later(void (*run)(int), int fd) {
    struct task *task = malloc(sizeof *task);
    *task = (struct task){run, fd};
    if (pthread_create(&helper, NULL, run_task, task) != 0) abort();
}

static void end_helper(void) { pthread_join(helper, NULL); }

static void put(int fd, const char *text) {
    if (write(fd, text, strlen(text)) < 0) abort();
}

static void write_hello(int fd) { put(fd, "hello"); }
static void write_two_parts(int fd) {
    put(fd, "hello");
    usleep(pause_ms * 1000);
    put(fd, "world");
}
static void write_and_close(int fd) {
    put(fd, "hello");
    close(fd);
}
static void close_it(int fd) { close(fd); }
static void read_all(int fd) {
    static char sink[65536];
    while (read(fd, sink, sizeof sink) > 0) {}
    close(fd);
}
static void read_some_and_close(int fd) {
    static char sink[65536];
    for (int i = 0; i < 4; ++i) {
        if (read(fd, sink, sizeof sink) <= 0) break;
    }
    close(fd);
}
static void receive_what_is_there(int fd) {
    char byte;
    while (recv(fd, &byte, 1, MSG_DONTWAIT) > 0) {}
}
static void send_urgent(int fd) {
    if (send(fd, "!", 1, MSG_OOB) != 1) abort();
}
static pthread_t main_thread;
static void signal_main(int fd) {
    (void)fd;
    pthread_kill(main_thread, SIGUSR1);
}
static void on_signal(int signal) { (void)signal; }

// -- Sockets -----------------------------------------------------------------------------------------

static void make_pair(int type, int fds[2]) {
    if (socketpair(AF_UNIX, type, 0, fds) < 0) abort();
}

static int listener(struct sockaddr_in *address) {
    socklen_t size = sizeof *address;
    *address = (struct sockaddr_in){.sin_family = AF_INET};
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)address, size) < 0 || listen(fd, 8) < 0) abort();
    getsockname(fd, (struct sockaddr *)address, &size);
    return fd;
}

static struct sockaddr_in server_address;
static void connect_to_server(int fd) {
    if (connect(fd, (struct sockaddr *)&server_address, sizeof server_address) < 0) abort();
}

// Two ends of a TCP connection.
static void make_tcp_pair(int fds[2]) {
    int server = listener(&server_address);
    fds[0] = socket(AF_INET, SOCK_STREAM, 0);
    connect_to_server(fds[0]);
    fds[1] = accept(server, NULL, NULL);
    close(server);
}

static int udp_socket(struct sockaddr_in *address) {
    socklen_t size = sizeof *address;
    *address = (struct sockaddr_in){.sin_family = AF_INET};
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)address, size) < 0) abort();
    getsockname(fd, (struct sockaddr *)address, &size);
    return fd;
}

static void set_timeout(int fd, int option) {
    struct timeval time = {0, pause_ms * 1000};
    setsockopt(fd, SOL_SOCKET, option, &time, sizeof time);
}

static void set_blocking(int fd, int on) {
    int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, on ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
}

static void close_pair(int fds[2]) {
    close(fds[0]);
    close(fds[1]);
}

// -- poll and select ---------------------------------------------------------------------------------

static void poll_times_out(void) {
    int fds[2];
    make_pair(SOCK_STREAM, fds);
    struct pollfd entry = {fds[0], POLLIN, -1};
    long began = now_ms();
    result("poll", poll(&entry, 1, pause_ms));
    say("revents %d, in time %d\n", entry.revents, now_ms() - began >= pause_ms);
    result("poll at once", poll(&entry, 1, 0));
    result("poll nothing", poll(NULL, 0, pause_ms));
    close_pair(fds);
}

static void poll_sees_input(void) {
    int fds[2];
    make_pair(SOCK_STREAM, fds);
    later(write_hello, fds[1]);
    struct pollfd entry = {fds[0], POLLIN | POLLPRI, 0};
    volatile nfds_t one = 1;
    result("poll", poll(&entry, one, -1));
    say("revents %d\n", entry.revents);
    entry.events = POLLIN | POLLOUT | POLLRDHUP;
    result("poll again", poll(&entry, 1, -1));
    say("revents %d\n", entry.revents);
    end_helper();
    close_pair(fds);
}

static void poll_sees_the_end(void) {
    int fds[2];
    make_pair(SOCK_STREAM, fds);
    later(close_it, fds[1]);
    struct pollfd entry = {fds[0], POLLIN | POLLRDHUP, 0};
    result("poll", poll(&entry, 1, -1));
    say("revents %d\n", entry.revents);
    entry.events = 0;
    result("poll for nothing", poll(&entry, 1, -1));
    say("revents %d\n", entry.revents);
    end_helper();
    close(fds[0]);
    entry.events = POLLIN;
    result("poll closed", poll(&entry, 1, -1));
    say("revents %d\n", entry.revents);
}

static void poll_many(void) {
    int one[2], other[2], pipe_fds[2];
    make_pair(SOCK_STREAM, one);
    make_pair(SOCK_DGRAM, other);
    if (pipe(pipe_fds) < 0) abort();
    later(write_hello, other[1]);
    struct pollfd entries[] = {{one[0], POLLIN, 0},   {other[0], POLLIN, 0},    {-1, POLLIN, 7},
                               {one[0], POLLPRI, 0},  {pipe_fds[0], POLLIN, 0}, {other[0], POLLPRI, 0}};
    result("poll", poll(entries, 6, -1));
    for (int i = 0; i < 6; ++i) say("revents %d\n", entries[i].revents);
    end_helper();
    later(write_hello, one[1]);
    struct pollfd twice[] = {{one[0], POLLPRI, 0}, {one[0], POLLIN, 0}};
    result("poll twice the same", poll(twice, 2, -1));
    say("revents %d %d\n", twice[0].revents, twice[1].revents);
    end_helper();
    later(write_hello, pipe_fds[1]);
    struct pollfd with_pipe[] = {{pipe_fds[0], POLLIN, 0}};
    result("poll a pipe", poll(with_pipe, 1, 5000));
    end_helper();
    int file = open("/proc/self/exe", O_RDONLY);
    struct pollfd with_file[] = {{file, 0, 0}, {one[1], POLLIN, 0}};
    result("poll a file for nothing", poll(with_file, 2, pause_ms));
    with_file[0].events = POLLIN;
    result("poll a file", poll(with_file, 2, -1));
    close(file);
    close_pair(one);
    close_pair(other);
    close_pair(pipe_fds);
}

static void poll_urgent(void) {
    int fds[2];
    make_tcp_pair(fds);
    later(send_urgent, fds[1]);
    struct pollfd entry = {fds[0], POLLPRI, 0};
    result("poll", poll(&entry, 1, -1));
    say("revents %d\n", entry.revents);
    char byte;
    result("recv urgent", recv(fds[0], &byte, 1, MSG_OOB));
    result("recv urgent again", recv(fds[0], &byte, 1, MSG_OOB));
    end_helper();
    close_pair(fds);
}

static void ppoll_with_a_mask(void) {
    int fds[2];
    make_pair(SOCK_STREAM, fds);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &action, NULL);
    sigset_t mask, before;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &mask, &before);
    main_thread = pthread_self();
    struct pollfd entry = {fds[0], POLLIN, 0};
    struct timespec short_time = {0, pause_ms * 1000000}, wrong = {0, -1};
    result("ppoll times out", ppoll(&entry, 1, &short_time, NULL));
    later(signal_main, 0);
    volatile nfds_t one = 1;
    result("ppoll", ppoll(&entry, one, NULL, &before));
    end_helper();
    later(signal_main, 0);
    fd_set set;
    FD_ZERO(&set);
    FD_SET(fds[0], &set);
    result("pselect", pselect(fds[0] + 1, &set, NULL, NULL, NULL, &before));
    say("set %d\n", FD_ISSET(fds[0], &set) != 0);
    end_helper();
    later(write_hello, fds[1]);
    result("ppoll sees input", ppoll(&entry, 1, NULL, &before));
    end_helper();
    result("ppoll wrong", ppoll(&entry, 1, &wrong, NULL));
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close_pair(fds);
}

static void select_waits(void) {
    int fds[2];
    make_pair(SOCK_STREAM, fds);
    fd_set read_set, write_set;
    struct timeval time = {0, pause_ms * 1000};
    FD_ZERO(&read_set);
    FD_SET(fds[0], &read_set);
    result("select times out", select(fds[0] + 1, &read_set, NULL, NULL, &time));
    say("set %d, left %ld.%06ld\n", FD_ISSET(fds[0], &read_set) != 0, time.tv_sec, time.tv_usec);
    FD_SET(fds[0], &read_set);
    FD_ZERO(&write_set);
    later(write_hello, fds[1]);
    time.tv_sec = 1000;
    result("select", select(FD_SETSIZE, &read_set, &write_set, NULL, &time));
    say("set %d, left %d\n", FD_ISSET(fds[0], &read_set) != 0, time.tv_sec >= 990 && time.tv_sec < 1000);
    end_helper();
    FD_SET(fds[0], &write_set);
    fd_set except_set = read_set;
    result("select both", select(FD_SETSIZE, &read_set, &write_set, &except_set, NULL));
    say("sets %d %d\n", FD_ISSET(fds[0], &read_set) != 0, FD_ISSET(fds[0], &write_set) != 0);
    time = (struct timeval){0, pause_ms * 1000};
    result("select nothing", select(0, NULL, NULL, NULL, &time));
    time = (struct timeval){0, -1};
    result("select wrong time", select(0, NULL, NULL, NULL, &time));
    result("select wrong count", select(-1, NULL, NULL, NULL, NULL));
    close_pair(fds);
    FD_ZERO(&read_set);
    FD_SET(fds[0], &read_set);
    result("select closed", select(fds[0] + 1, &read_set, NULL, NULL, NULL));
    say("set %d\n", FD_ISSET(fds[0], &read_set) != 0);
}

// -- Sleeping ----------------------------------------------------------------------------------------

static void sleeps(void) {
    struct timespec time = {0, pause_ms * 1000000}, wrong = {0, 1000000000}, rest = {7, 7};
    long began = now_ms();
    result("nanosleep", nanosleep(&time, &rest));
    say("in time %d, rest %ld\n", now_ms() - began >= pause_ms, (long)rest.tv_sec);
    result("nanosleep wrong", nanosleep(&wrong, NULL));
    say("clock_nanosleep %d\n", clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL));
    const clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME, CLOCK_PROCESS_CPUTIME_ID};
    for (int i = 0; i < 4; ++i) {
        struct timespec target, after;
        clock_gettime(clocks[i], &target);
        if (i < 3) target.tv_nsec += pause_ms * 1000000;
        target.tv_sec += target.tv_nsec / 1000000000;
        target.tv_nsec %= 1000000000;
        say("until %d", clock_nanosleep(clocks[i], TIMER_ABSTIME, &target, NULL));
        clock_gettime(clocks[i], &after);
        say(" %d\n", after.tv_sec > target.tv_sec ||
                         (after.tv_sec == target.tv_sec && after.tv_nsec >= target.tv_nsec));
    }
    say("clock_nanosleep wrong %d\n", clock_nanosleep(CLOCK_MONOTONIC, 0, &wrong, NULL));
    say("clock_nanosleep no clock %d\n", clock_nanosleep(12345, 0, &time, NULL));
    began = now_ms();
    result("usleep", usleep(pause_ms * 1000));
    say("in time %d\n", now_ms() - began >= pause_ms);
    result("sleep", sleep(0));
    result("sleep a second", sleep(1));
    say("in time %d\n", now_ms() - began >= 1000);
}

// -- Receiving ---------------------------------------------------------------------------------------

enum receiver { by_read, by_readv, by_recv, by_recvfrom, by_recvmsg, receivers };
static const char *const receiver_names[] = {"read", "readv", "recv", "recvfrom", "recvmsg"};

// The room is known here and the size is not, which is when the fortified functions are called.
static ssize_t receive_fortified(enum receiver how, int fd, char *out, size_t size, int flags) {
    char data[64];
    volatile size_t unknown = size;
    ssize_t n = how == by_read   ? read(fd, data, unknown)
                : how == by_recv ? recv(fd, data, unknown, flags)
                                 : recvfrom(fd, data, unknown, flags, NULL, NULL);
    if (n > 0) memcpy(out, data, (size_t)n < size ? (size_t)n : size);
    return n;
}

static ssize_t receive(enum receiver how, int fd, char *data, size_t size, int flags) {
    if (size % 2 == 0 && (how == by_read || how == by_recv || how == by_recvfrom)) {
        return receive_fortified(how, fd, data, size, flags);
    }
    struct iovec parts[] = {{data, size / 2}, {data + size / 2, size - size / 2}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    switch (how) {
        case by_read: return read(fd, data, size);
        case by_readv: return readv(fd, parts, 2);
        case by_recv: return recv(fd, data, size, flags);
        case by_recvfrom: return recvfrom(fd, data, size, flags, NULL, NULL);
        default: return recvmsg(fd, &message, flags);
    }
}

static void receive_and_say(enum receiver how, int fd, size_t size, int flags) {
    char data[64] = "";
    ssize_t n = receive(how, fd, data, size, flags);
    result(receiver_names[how], n);
    say("'%.*s'\n", n < 0 ? 0 : (int)((size_t)n < size ? (size_t)n : size), data);
}

static void receive_on(void (*make)(int[2])) {
    for (int how = 0; how < receivers; ++how) {
        int fds[2];
        make(fds);
        later(write_hello, fds[1]);
        errno = E2BIG;
        receive_and_say(how, fds[0], 16, 0);
        say("errno %s\n", strerrorname_np(errno));
        end_helper();
        later(write_and_close, fds[1]);
        receive_and_say(how, fds[0], 3, 0);
        end_helper();
        receive_and_say(how, fds[0], 16, 0);
        receive_and_say(how, fds[0], 16, 0);
        close(fds[0]);
    }
}

static void make_stream(int fds[2]) { make_pair(SOCK_STREAM, fds); }
static void make_seqpacket(int fds[2]) { make_pair(SOCK_SEQPACKET, fds); }

static void receive_unix(void) { receive_on(make_stream); }
static void receive_tcp(void) { receive_on(make_tcp_pair); }
static void receive_records(void) { receive_on(make_seqpacket); }

static void receive_with_flags(void) {
    for (int how = by_recv; how < receivers; ++how) {
        int fds[2];
        make_tcp_pair(fds);
        receive_and_say(how, fds[0], 8, MSG_DONTWAIT);
        later(write_hello, fds[1]);
        receive_and_say(how, fds[0], 8, MSG_PEEK);
        receive_and_say(how, fds[0], 8, 0);
        end_helper();
        later(write_two_parts, fds[1]);
        receive_and_say(how, fds[0], 9, MSG_WAITALL | MSG_PEEK);
        receive_and_say(how, fds[0], 10, MSG_WAITALL);
        end_helper();
        later(write_and_close, fds[1]);
        receive_and_say(how, fds[0], 9, MSG_WAITALL | MSG_PEEK);
        receive_and_say(how, fds[0], 10, MSG_WAITALL);
        receive_and_say(how, fds[0], 10, MSG_WAITALL);
        receive_and_say(how, fds[0], 10, MSG_TRUNC | MSG_ERRQUEUE);
        end_helper();
        close(fds[0]);
    }
}

static void receive_with_timeout(void) {
    for (int how = 0; how < receivers; ++how) {
        int fds[2];
        make_pair(SOCK_STREAM, fds);
        set_timeout(fds[0], SO_RCVTIMEO);
        long began = now_ms();
        receive_and_say(how, fds[0], 16, 0);
        say("in time %d\n", now_ms() - began >= pause_ms - 1);
        put(fds[1], "hello");
        receive_and_say(how, fds[0], 16, MSG_WAITALL);
        set_blocking(fds[0], 0);
        receive_and_say(how, fds[0], 16, 0);
        put(fds[1], "hello");
        receive_and_say(how, fds[0], 16, MSG_WAITALL);
        close_pair(fds);
    }
}

static void receive_datagrams(void) {
    struct sockaddr_in here, there, from = {0};
    int fd = udp_socket(&here), peer = udp_socket(&there);
    if (connect(peer, (struct sockaddr *)&here, sizeof here) < 0) abort();
    char data[16] = "";
    socklen_t size = sizeof from;
    later(write_hello, peer);
    result("recvfrom", recvfrom(fd, data, sizeof data, 0, (struct sockaddr *)&from, &size));
    say("size %d, same port %d\n", (int)size, from.sin_port == there.sin_port);
    end_helper();
    later(write_hello, peer);
    receive_and_say(by_recv, fd, 2, MSG_TRUNC);
    end_helper();
    later(write_hello, peer);
    struct iovec part = {data, 2};
    struct msghdr message = {.msg_name = &from, .msg_namelen = 4, .msg_iov = &part, .msg_iovlen = 1};
    result("recvmsg", recvmsg(fd, &message, MSG_WAITALL));
    say("flags %d, name %d\n", message.msg_flags, (int)message.msg_namelen);
    end_helper();
    put(peer, "");
    if (send(peer, "", 0, 0) < 0) abort();
    result("read nothing", read(fd, data, 0));
    receive_and_say(by_read, fd, 16, 0);
    put(peer, "hello");
    result("recvfrom without size", recvfrom(fd, data, sizeof data, 0, (struct sockaddr *)&from, NULL));
    result("recv into nowhere", recv(fd, (void *)8, 5, 0));
    close(fd);
    close(peer);
}

static void receive_descriptor(void) {
    int fds[2];
    make_pair(SOCK_STREAM, fds);
    char data[16], control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec part = {"fd", 2};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(header), &fds[1], sizeof(int));
    result("sendmsg", sendmsg(fds[1], &message, 0));
    memset(control, 0, sizeof control);
    part = (struct iovec){data, sizeof data};
    result("recvmsg", recvmsg(fds[0], &message, 0));
    int arrived = -1;
    memcpy(&arrived, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
    say("arrived %d, flags %d\n", arrived > 2, message.msg_flags);
    close(arrived);
    close_pair(fds);
}

// -- Sending -----------------------------------------------------------------------------------------

enum sender { by_write, by_writev, by_send, by_sendto, by_sendmsg, senders };
static const char *const sender_names[] = {"write", "writev", "send", "sendto", "sendmsg"};
static char bulk[big];

static ssize_t send_out(enum sender how, int fd, size_t size, int flags) {
    struct iovec parts[] = {{bulk, size / 3}, {bulk + size / 3, 0}, {bulk + size / 3, size - size / 3}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 3};
    switch (how) {
        case by_write: return write(fd, bulk, size);
        case by_writev: return writev(fd, parts, 3);
        case by_send: return send(fd, bulk, size, flags);
        case by_sendto: return sendto(fd, bulk, size, flags, NULL, 0);
        default: return sendmsg(fd, &message, flags);
    }
}

// Says whether all, a part, or nothing was sent: a part's size is the kernel's affair.
static void send_and_say(enum sender how, int fd, size_t size, int flags) {
    ssize_t n = send_out(how, fd, size, flags);
    if (n > 0 && (size_t)n < size) {
        say("%s a part\n", sender_names[how]);
    } else {
        result(sender_names[how], n);
    }
}

static void send_on(void (*make)(int[2])) {
    for (int how = 0; how < senders; ++how) {
        int fds[2];
        make(fds);
        later(read_all, fds[1]);
        errno = E2BIG;
        send_and_say(how, fds[0], big, 0);
        say("errno %s\n", strerrorname_np(errno));
        shutdown(fds[0], SHUT_WR);
        end_helper();
        send_and_say(how, fds[0], 1, 0);
        close(fds[0]);
    }
}

static void send_unix(void) { send_on(make_stream); }
static void send_tcp(void) { send_on(make_tcp_pair); }

static void send_to_the_leaving(void) {
    for (int how = 0; how < senders; ++how) {
        int fds[2];
        make_stream(fds);
        later(read_some_and_close, fds[1]);
        send_and_say(how, fds[0], big, 0);
        end_helper();
        send_and_say(how, fds[0], 1, MSG_NOSIGNAL);
        close(fds[0]);
    }
}

static void send_with_timeout(void) {
    for (int how = 0; how < senders; ++how) {
        int fds[2];
        make_stream(fds);
        set_timeout(fds[0], SO_SNDTIMEO);
        send_and_say(how, fds[0], big, 0);
        send_and_say(how, fds[0], 1000, 0);
        send_and_say(how, fds[0], 1000, MSG_DONTWAIT);
        set_blocking(fds[0], 0);
        send_and_say(how, fds[0], 1000, 0);
        close_pair(fds);
        make_stream(fds);
        set_blocking(fds[0], 0);
        send_and_say(how, fds[0], big, 0);
        close_pair(fds);
    }
}

static void send_datagrams(void) {
    int fds[2];
    make_pair(SOCK_DGRAM, fds);
    int n = 0;
    while (send(fds[0], bulk, 1000, MSG_DONTWAIT) > 0) ++n;
    say("queued %d\n", n > 0);
    later(receive_what_is_there, fds[1]);
    send_and_say(by_send, fds[0], 1000, 0);
    end_helper();
    send_and_say(by_sendmsg, fds[0], big, 0);
    close_pair(fds);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "coir-hooks-%ld", (long)getpid());
    fds[0] = socket(AF_UNIX, SOCK_DGRAM, 0);
    fds[1] = socket(AF_UNIX, SOCK_DGRAM, 0);
    struct sockaddr *to = (struct sockaddr *)&address;
    if (bind(fds[1], to, sizeof address) < 0) abort();
    while (sendto(fds[0], bulk, 1000, MSG_DONTWAIT, to, sizeof address) > 0) {}
    later(receive_what_is_there, fds[1]);
    result("sendto", sendto(fds[0], bulk, 1000, 0, to, sizeof address));
    end_helper();
    result("sendto nowhere", sendto(fds[0], bulk, 1, 0, to, 4));
    close_pair(fds);
}

// -- Connecting --------------------------------------------------------------------------------------

static int is_blocking(int fd) { return (fcntl(fd, F_GETFL) & O_NONBLOCK) == 0; }

static void connects(void) {
    struct sockaddr_in address;
    struct sockaddr *to = (struct sockaddr *)&address;
    int server = listener(&address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    result("connect", connect(fd, to, sizeof address));
    say("blocking %d\n", is_blocking(fd));
    result("connect again", connect(fd, to, sizeof address));
    int accepted = accept4(server, NULL, NULL, SOCK_CLOEXEC);
    say("accept4 %d\n", accepted >= 0 && is_blocking(accepted));
    close(accepted);
    close(fd);
    close(server);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    result("connect refused", connect(fd, to, sizeof address));
    say("blocking %d\n", is_blocking(fd));
    int problem = -1;
    socklen_t size = sizeof problem;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &size);
    say("error %d\n", problem);
    result("connect too short", connect(fd, to, 2));
    close(fd);
    result("connect closed", connect(fd, to, sizeof address));
}

static void connect_waits_for_room(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct sockaddr *to = (struct sockaddr *)&address;
    snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "coir-hooks-room-%ld", (long)getpid());
    int server = socket(AF_UNIX, SOCK_STREAM, 0), clients[3];
    if (bind(server, to, sizeof address) < 0 || listen(server, 0) < 0) abort();
    for (int i = 0; i < 3; ++i) clients[i] = socket(AF_UNIX, SOCK_STREAM, 0);
    result("connect", connect(clients[0], to, sizeof address));
    set_timeout(clients[1], SO_SNDTIMEO);
    long began = now_ms();
    result("connect without room", connect(clients[1], to, sizeof address));
    say("in time %d, blocking %d\n", now_ms() - began >= pause_ms - 1, is_blocking(clients[1]));
    set_blocking(clients[1], 0);
    result("connect without waiting", connect(clients[1], to, sizeof address));
    close(server);
    for (int i = 0; i < 3; ++i) close(clients[i]);
}

static void accepts(void) {
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    int server = listener(&server_address);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    later(connect_to_server, client);
    int fd = accept(server, (struct sockaddr *)&from, &size);
    say("accept %d, size %d, blocking %d %d\n", fd >= 0, (int)size, is_blocking(fd), is_blocking(server));
    end_helper();
    close(fd);
    close(client);
    client = socket(AF_INET, SOCK_STREAM, 0);
    later(connect_to_server, client);
    fd = accept4(server, NULL, NULL, SOCK_NONBLOCK);
    say("accept4 %d, blocking %d\n", fd >= 0, is_blocking(fd));
    end_helper();
    close(fd);
    close(client);
    set_timeout(server, SO_RCVTIMEO);
    result("accept times out", accept(server, NULL, NULL));
    set_blocking(server, 0);
    result("accept at once", accept(server, NULL, NULL));
    say("blocking %d\n", is_blocking(server));
    result("accept on no listener", accept(STDIN_FILENO, NULL, NULL));
    close(server);
}

// -- What is no socket -------------------------------------------------------------------------------

static void others(void) {
    int fds[2];
    char data[16] = "";
    if (pipe(fds) < 0) abort();
    put(fds[1], "hello");
    errno = E2BIG;
    result("read", read(fds[0], data, sizeof data));
    struct iovec part = {data, 5};
    result("writev", writev(fds[1], &part, 1));
    result("readv", readv(fds[0], &part, 1));
    say("errno %s\n", strerrorname_np(errno));
    volatile int wrong[] = {-1, 5000}; // not for the compiler to know
    result("readv wrong", readv(fds[0], &part, wrong[0]));
    result("writev wrong", writev(fds[1], &part, wrong[1]));
    result("recv", recv(fds[0], data, 1, 0));
    result("send", send(fds[1], data, 1, 0));
    result("connect", connect(fds[0], NULL, 0));
    result("accept", accept(fds[0], NULL, NULL));
    close_pair(fds);
    result("read closed", read(fds[0], data, 1));
    result("write closed", write(fds[0], data, 1));
    result("recv closed", recv(fds[0], data, 1, 0));
    result("send closed", send(fds[0], data, 1, 0));
    result("accept closed", accept(fds[0], NULL, NULL));
    int lonely = socket(AF_INET, SOCK_STREAM, 0);
    result("recv unconnected", recv(lonely, data, 1, 0));
    result("send unconnected", send(lonely, data, 1, MSG_NOSIGNAL));
    result("accept unconnected", accept(lonely, NULL, NULL));
    close(lonely);
}

// -- Names -------------------------------------------------------------------------------------------

// Adds the rows to the text at `at`, one "address/type/protocol canonical name" a row.
static void show_rows(char *at, size_t room, const struct addrinfo *row) {
    for (; row != NULL; row = row->ai_next) {
        char host[64] = "?", port[16] = "?";
        getnameinfo(row->ai_addr, row->ai_addrlen, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV);
        int n = snprintf(at, room, "%s %s %d %d %d %s\n", host, port, row->ai_socktype, row->ai_protocol,
                         row->ai_flags, row->ai_canonname == NULL ? "" : row->ai_canonname);
        at += n;
        room -= (size_t)n;
    }
}

static void look_up_and_say(const char *host, const char *service, const struct addrinfo *hints) {
    char text[1024] = "";
    struct addrinfo *list = NULL;
    int code = getaddrinfo(host, service, hints, &list);
    if (code == 0) show_rows(text, sizeof text, list);
    if (list != NULL) freeaddrinfo(list);
    say("getaddrinfo %s %s: %d\n%s", host == NULL ? "-" : host, service == NULL ? "-" : service, code, text);
}

static void names_without_servers(void) {
    struct addrinfo stream = {.ai_socktype = SOCK_STREAM}, v4 = {.ai_family = AF_INET};
    struct addrinfo named = {.ai_flags = AI_CANONNAME, .ai_family = AF_INET, .ai_socktype = SOCK_DGRAM};
    struct addrinfo numeric = {.ai_flags = AI_NUMERICHOST}, passive = {.ai_flags = AI_PASSIVE};
    struct addrinfo wrong_flags = {.ai_flags = 1 << 30}, wrong_family = {.ai_family = AF_UNIX};
    struct addrinfo wrong_type = {.ai_socktype = SOCK_RAW, .ai_protocol = IPPROTO_TCP};
    look_up_and_say("127.0.0.1", "80", NULL);
    look_up_and_say("::1", "http", &stream);
    look_up_and_say("::1", "80", &v4);
    look_up_and_say("localhost", "80", &stream);
    look_up_and_say("localhost", NULL, &v4);
    look_up_and_say("localhost", "domain", &named);
    look_up_and_say("localhost", "no-such-service", NULL);
    look_up_and_say("localhost", "80", &numeric);
    look_up_and_say("localhost", "80", &wrong_flags);
    look_up_and_say("localhost", "80", &wrong_family);
    look_up_and_say("localhost", "http", &wrong_type);
    look_up_and_say(NULL, "80", &passive);
    look_up_and_say(NULL, NULL, NULL);
    struct hostent *entry = gethostbyname("127.0.0.2");
    say("gethostbyname %s\n", entry == NULL ? "-" : inet_ntoa(*(struct in_addr *)entry->h_addr_list[0]));
    entry = gethostbyname("localhost");
    if (entry == NULL) return;
    say("gethostbyname %s %s", entry->h_name, inet_ntoa(*(struct in_addr *)entry->h_addr_list[0]));
    say(" %d %d %d\n", entry->h_addrtype, entry->h_length, entry->h_aliases[0] == NULL);
}

// lookup(host) -> rows, or EAI's number and errno
static int lookup(lua_State *L) {
    char text[1024] = "";
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *list;
    int code = getaddrinfo(luaL_checkstring(L, 1), "80", &hints, &list), why = errno;
    if (code != 0) {
        lua_pushinteger(L, code);
        lua_pushinteger(L, code == EAI_SYSTEM ? why : 0);
        return 2;
    }
    show_rows(text, sizeof text, list);
    freeaddrinfo(list);
    lua_pushstring(L, text);
    return 1;
}

// host(name) -> address..., or h_errno
static int host(lua_State *L) {
    struct hostent *entry = gethostbyname(luaL_checkstring(L, 1));
    if (entry == NULL) {
        lua_pushinteger(L, h_errno);
        return 1;
    }
    int n = 0;
    for (char **address = entry->h_addr_list; *address != NULL; ++address) {
        lua_pushstring(L, inet_ntoa(*(struct in_addr *)*address));
        ++n;
    }
    return n;
}

// -- For Lua -----------------------------------------------------------------------------------------

#define SCENARIO(name) {#name, name}
static const struct {
    const char *name;
    void (*run)(void);
} scenarios[] = {
    SCENARIO(poll_times_out),    SCENARIO(poll_sees_input),      SCENARIO(poll_sees_the_end),
    SCENARIO(poll_many),         SCENARIO(poll_urgent),          SCENARIO(ppoll_with_a_mask),
    SCENARIO(select_waits),      SCENARIO(sleeps),               SCENARIO(receive_unix),
    SCENARIO(receive_tcp),       SCENARIO(receive_records),      SCENARIO(receive_with_flags),
    SCENARIO(receive_with_timeout), SCENARIO(receive_datagrams), SCENARIO(receive_descriptor),
    SCENARIO(send_unix),         SCENARIO(send_tcp),             SCENARIO(send_to_the_leaving),
    SCENARIO(send_with_timeout), SCENARIO(send_datagrams),       SCENARIO(connects),
    SCENARIO(connect_waits_for_room), SCENARIO(accepts),         SCENARIO(others),
    SCENARIO(names_without_servers),
};
enum { count = sizeof scenarios / sizeof *scenarios };

// names() -> a list of the scenarios
static int names(lua_State *L) {
    lua_newtable(L);
    for (int i = 0; i < count; ++i) {
        lua_pushstring(L, scenarios[i].name);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

// run(name) -> what its calls returned. One at a time.
static int run(lua_State *L) {
    const char *name = luaL_checkstring(L, 1);
    said = 0;
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < count; ++i) {
        if (strcmp(scenarios[i].name, name) == 0) scenarios[i].run();
    }
    lua_pushlstring(L, transcript, said);
    return 1;
}

// Pushes the result and, when it is negative, errno.
static int push_result(lua_State *L, long value) {
    int code = errno;
    lua_pushinteger(L, value);
    if (value >= 0) return 1;
    lua_pushinteger(L, code);
    return 2;
}

// pair() -> two descriptors
static int pair(lua_State *L) {
    int fds[2];
    make_pair(SOCK_STREAM, fds);
    lua_pushinteger(L, fds[0]);
    lua_pushinteger(L, fds[1]);
    return 2;
}

// These are the C functions as they are; times are in milliseconds.
static int lua_poll(lua_State *L) {
    struct pollfd entry = {(int)luaL_checkinteger(L, 1), POLLIN, 0};
    return push_result(L, poll(&entry, 1, (int)luaL_checkinteger(L, 2)));
}
static int lua_select(lua_State *L) {
    int fd = (int)luaL_checkinteger(L, 1);
    fd_set set;
    FD_ZERO(&set);
    FD_SET(fd, &set);
    return push_result(L, select(fd + 1, &set, NULL, NULL, NULL));
}
static int lua_recv(lua_State *L) {
    char data[64];
    ssize_t n = recv((int)luaL_checkinteger(L, 1), data, sizeof data, 0);
    if (n < 0) return push_result(L, n);
    lua_pushlstring(L, data, (size_t)n);
    return 1;
}
static int lua_send(lua_State *L) {
    size_t size;
    const char *data = luaL_checklstring(L, 2, &size);
    return push_result(L, send((int)luaL_checkinteger(L, 1), data, size, 0));
}
static int close_descriptor(lua_State *L) { return push_result(L, close((int)luaL_checkinteger(L, 1))); }
static int lua_nanosleep(lua_State *L) {
    lua_Integer ms = luaL_checkinteger(L, 1);
    struct timespec time = {ms / 1000, ms % 1000 * 1000000}, rest = {0, 0};
    int value = nanosleep(&time, &rest);
    if (value == 0) return push_result(L, 0);
    push_result(L, value);
    lua_pushnumber(L, (double)rest.tv_sec + (double)rest.tv_nsec / 1e9);
    return 3;
}

// Sleeps as LuaSocket does: whatever ends a sleep, the rest is slept.
static int stubborn_sleep(lua_State *L) {
    lua_Integer ms = luaL_checkinteger(L, 1);
    struct timespec time = {ms / 1000, ms % 1000 * 1000000}, rest = {0, 0};
    while (nanosleep(&time, &rest) != 0) time = rest;
    return 0;
}

// Waits as most libraries do: whatever interrupts it, it tries again. Returns the errno that stopped it.
static int stubborn_poll(lua_State *L) {
    struct pollfd entry = {(int)luaL_checkinteger(L, 1), POLLIN, 0};
    int n;
    do {
        n = poll(&entry, 1, -1);
    } while (n < 0 && errno == EINTR);
    return push_result(L, n);
}

// Calls poll in a child of fork(). Returns the child's exit status: poll's result.
static int poll_in_child(lua_State *L) {
    int fd = (int)luaL_checkinteger(L, 1), status = 0;
    pid_t child = fork();
    if (child == 0) {
        struct pollfd entry = {fd, POLLIN, 0};
        _exit(poll(&entry, 1, 20));
    }
    waitpid(child, &status, 0);
    lua_pushinteger(L, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    return 1;
}

// In a thread poll is the C library's: the calling thread waits for it.
static void *poll_in_thread_body(void *fd) {
    struct pollfd entry = {*(int *)fd, POLLIN, 0};
    *(int *)fd = poll(&entry, 1, 20);
    return NULL;
}
static int poll_in_thread(lua_State *L) {
    pthread_t thread;
    int fd = (int)luaL_checkinteger(L, 1);
    if (pthread_create(&thread, NULL, poll_in_thread_body, &fd) != 0) abort();
    pthread_join(thread, NULL);
    lua_pushinteger(L, fd);
    return 1;
}

// Leaves no descriptor, or all again.
static int limit_descriptors(lua_State *L) {
    static rlim_t usual;
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    if (usual == 0) usual = limit.rlim_cur;
    limit.rlim_cur = lua_toboolean(L, 1) ? 3 : usual; // those below are in use
    return push_result(L, setrlimit(RLIMIT_NOFILE, &limit));
}

// Calls the Lua function while its own C frame is in the way.
static int call_back(lua_State *L) {
    volatile char frame[1000] = "frame";
    lua_call(L, 0, 0);
    lua_pushboolean(L, frame[0] == 'f');
    return 1;
}

int luaopen_scenarios(lua_State *L);
int luaopen_scenarios(lua_State *L) {
    const luaL_Reg functions[] = {{"names", names},
                                  {"run", run},
                                  {"pair", pair},
                                  {"poll", lua_poll},
                                  {"select", lua_select},
                                  {"recv", lua_recv},
                                  {"send", lua_send},
                                  {"close", close_descriptor},
                                  {"nanosleep", lua_nanosleep},
                                  {"stubborn_sleep", stubborn_sleep},
                                  {"stubborn_poll", stubborn_poll},
                                  {"poll_in_child", poll_in_child},
                                  {"poll_in_thread", poll_in_thread},
                                  {"limit_descriptors", limit_descriptors},
                                  {"lookup", lookup},
                                  {"host", host},
                                  {"call_back", call_back},
                                  {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
