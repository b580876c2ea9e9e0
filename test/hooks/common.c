// common.c: the transcript, the other end, and sockets.
#include "scenario.h"

static char transcript[1 << 14];
static size_t said;

void say(const char* format, ...) {
    int before = errno;
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(transcript + said, sizeof transcript - said, format, arguments);
    va_end(arguments);
    if (n > 0) said += (size_t)n;
    errno = before;
}

void begin_transcript(void) { said = 0; }

const char* transcript_text(size_t* size) {
    *size = said;
    return transcript;
}

// The result of a call, with errno's name when it failed.
void result(const char* what, long value) {
    say("%s %ld%s%s\n", what, value, value < 0 ? " " : "", value < 0 ? strerrorname_np(errno) : "");
}

long now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// -- The other end --------------------------------------------------------------------------------

static pthread_t helper;

struct task {
    void (*run)(int fd);
    int fd;
};

static void* run_task(void* argument) {
    struct task task = *(struct task*)argument;
    free(argument);
    usleep(pause_ms * 1000);
    task.run(task.fd);
    return NULL;
}

// Runs the function in a thread, a little later.
void later(void (*run)(int), int fd) {
    struct task* task = malloc(sizeof *task);
    *task = (struct task){run, fd};
    if (pthread_create(&helper, NULL, run_task, task) != 0) abort();
}

void end_helper(void) { pthread_join(helper, NULL); }

void put(int fd, const char* text) {
    if (write(fd, text, strlen(text)) < 0) abort();
}

void write_hello(int fd) { put(fd, "hello"); }
void write_two_parts(int fd) {
    put(fd, "hello");
    usleep(pause_ms * 1000);
    put(fd, "world");
}
void write_and_close(int fd) {
    put(fd, "hello");
    close(fd);
}
void close_it(int fd) { close(fd); }
void read_all(int fd) {
    static char sink[65536];
    while (read(fd, sink, sizeof sink) > 0) {
    }
    close(fd);
}
void read_some_and_close(int fd) {
    static char sink[65536];
    for (int i = 0; i < 4; ++i) {
        if (read(fd, sink, sizeof sink) <= 0) break;
    }
    close(fd);
}
void receive_what_is_there(int fd) {
    char byte;
    while (recv(fd, &byte, 1, MSG_DONTWAIT) > 0) {
    }
}
void send_urgent(int fd) {
    if (send(fd, "!", 1, MSG_OOB) != 1) abort();
}
pthread_t main_thread;
void signal_main(int fd) {
    (void)fd;
    pthread_kill(main_thread, SIGUSR1);
}
void on_signal(int signal) { (void)signal; }

// -- Sockets --------------------------------------------------------------------------------------

void make_pair(int type, int fds[2]) {
    if (socketpair(AF_UNIX, type, 0, fds) < 0) abort();
}

int listener(struct sockaddr_in* address) {
    socklen_t size = sizeof *address;
    *address = (struct sockaddr_in){.sin_family = AF_INET};
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr*)address, size) < 0 || listen(fd, 8) < 0) abort();
    getsockname(fd, (struct sockaddr*)address, &size);
    return fd;
}

struct sockaddr_in server_address;
void connect_to_server(int fd) {
    if (connect(fd, (struct sockaddr*)&server_address, sizeof server_address) < 0) abort();
}

// Two ends of a TCP connection.
void make_tcp_pair(int fds[2]) {
    int server = listener(&server_address);
    fds[0] = socket(AF_INET, SOCK_STREAM, 0);
    connect_to_server(fds[0]);
    fds[1] = accept(server, NULL, NULL);
    close(server);
}

int udp_socket(struct sockaddr_in* address) {
    socklen_t size = sizeof *address;
    *address = (struct sockaddr_in){.sin_family = AF_INET};
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr*)address, size) < 0) abort();
    getsockname(fd, (struct sockaddr*)address, &size);
    return fd;
}

void set_timeout(int fd, int option) {
    struct timeval time = {0, pause_ms * 1000};
    setsockopt(fd, SOL_SOCKET, option, &time, sizeof time);
}

void set_blocking(int fd, int on) {
    int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, on ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
}

void close_pair(int fds[2]) {
    close(fds[0]);
    close(fds[1]);
}

void make_stream(int fds[2]) { make_pair(SOCK_STREAM, fds); }
