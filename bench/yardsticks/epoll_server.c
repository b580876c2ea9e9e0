// epoll_server.c: the yardstick, an echo server in plain C on edge-triggered epoll, one thread.
//
// Usage: epoll_server echo|line [port]. It listens on 127.0.0.1 (port 0, the default, takes a free
// one), prints `port N`, and serves until it is killed. `echo` sends back what arrives; `line`
// reads line by line, and sends the answers to all lines of a wake-up in one piece. A request costs
// one recv and one send: a short read means that the socket is drained, so nothing reads again only
// to meet EAGAIN, and a connection is registered once for its whole life. What the kernel does not
// take at once is kept aside, and the connection is not read until it is gone. A connection is
// served until it is drained: this server is fair only to clients that wait for their answers, as
// bench/load does.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { max_events = 1024, max_descriptors = 1 << 20, buffer_size = 64 * 1024 };

// Bytes that a connection keeps until its next event.
struct kept {
    size_t size;
    size_t sent;
    char bytes[];
};

static int poller;
static int listener;
static int line_by_line;
static struct kept** backlogs; // still to be sent, by descriptor; null: the kernel took everything
static struct kept** partials; // the beginning of a line, by descriptor; null: none
static char buffer[2 * buffer_size]; // a partial line, and what was read behind it
static char output[2 * buffer_size]; // the answers of a wake-up

static void die(const char* what) {
    perror(what);
    exit(1);
}

static void close_connection(int fd) {
    free(backlogs[fd]);
    free(partials[fd]);
    backlogs[fd] = partials[fd] = NULL;
    close(fd);
}

// Sends what the kernel takes now. Returns the number of bytes, or -1 when the connection is lost.
static ssize_t send_some(int fd, const char* bytes, size_t size) {
    ssize_t n = send(fd, bytes, size, MSG_NOSIGNAL);
    if (n < 0 && errno == EAGAIN) return 0;
    return n;
}

static struct kept* keep(const char* bytes, size_t size) {
    struct kept* kept = malloc(sizeof *kept + size);
    if (kept == NULL) die("malloc");
    kept->size = size;
    kept->sent = 0;
    memcpy(kept->bytes, bytes, size);
    return kept;
}

// Returns 1 when nothing is left to send, 0 when the kernel is full, -1 when the connection is
// lost.
static int send_backlog(int fd) {
    struct kept* backlog = backlogs[fd];
    if (backlog == NULL) return 1;
    while (backlog->sent < backlog->size) {
        ssize_t n = send_some(fd, backlog->bytes + backlog->sent, backlog->size - backlog->sent);
        if (n <= 0) return (int)n;
        backlog->sent += (size_t)n;
    }
    free(backlog);
    backlogs[fd] = NULL;
    return 1;
}

// Sends bytes, keeping aside what does not fit. Results as of send_backlog.
static int answer(int fd, const char* bytes, size_t size) {
    ssize_t n = send_some(fd, bytes, size);
    if (n == (ssize_t)size) return 1;
    if (n < 0) return -1;
    backlogs[fd] = keep(bytes + n, size - (size_t)n);
    return 0;
}

// Puts the beginning of a line in front of what will be read. Returns its size.
static size_t restore_partial(int fd) {
    struct kept* partial = partials[fd];
    if (partial == NULL) return 0;
    size_t size = partial->size;
    memcpy(buffer, partial->bytes, size);
    free(partial);
    partials[fd] = NULL;
    return size;
}

// Answers every complete line in the first `size` bytes of the buffer, and keeps the rest. Results
// as of send_backlog; a line that is too long loses the connection.
static int answer_lines(int fd, size_t size) {
    const char* line = buffer;
    const char* end = buffer + size;
    size_t gathered = 0;
    for (const char* newline; (newline = memchr(line, '\n', (size_t)(end - line))) != NULL;) {
        size_t length = (size_t)(newline + 1 - line);
        memcpy(output + gathered, line, length);
        gathered += length;
        line += length;
    }
    if (end - line > buffer_size) return -1;
    if (line != end) partials[fd] = keep(line, (size_t)(end - line));
    return gathered > 0 ? answer(fd, output, gathered) : 1;
}

static void serve(int fd, uint32_t events) {
    int sent = send_backlog(fd);
    while (sent > 0) {
        size_t partial = restore_partial(fd);
        ssize_t n = recv(fd, buffer + partial, buffer_size, 0);
        if (n < 0 && errno == EAGAIN) {
            if (partial > 0) partials[fd] = keep(buffer, partial);
            return;
        }
        if (n <= 0) break;
        size_t size = partial + (size_t)n;
        sent = line_by_line ? answer_lines(fd, size) : answer(fd, buffer, size);
        int drained = n < buffer_size && !(events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
        if (sent > 0 && drained) return;
    }
    if (sent != 0) close_connection(fd);
}

static void register_once(int fd, uint32_t events) {
    struct epoll_event event = {.events = events | EPOLLET, .data.fd = fd};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) < 0) die("epoll_ctl");
}

static void accept_all(void) {
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            register_once(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP);
        } else if (errno == EAGAIN) {
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            die("accept4");
        }
    }
}

static void open_listener(in_port_t port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    int on = 1;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0) die("socket");
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); // connections inherit it
    if (bind(listener, (struct sockaddr*)&address, length) < 0) die("bind");
    if (listen(listener, SOMAXCONN) < 0) die("listen");
    if (getsockname(listener, (struct sockaddr*)&address, &length) < 0) die("getsockname");
    printf("port %d\n", ntohs(address.sin_port));
    fflush(stdout);
}

// Allows as many descriptors as the system does, and makes room for what each may keep.
static void raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) die("getrlimit");
    limit.rlim_cur = limit.rlim_max < max_descriptors ? limit.rlim_max : max_descriptors;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0) die("setrlimit");
    backlogs = calloc(limit.rlim_cur, sizeof *backlogs);
    partials = calloc(limit.rlim_cur, sizeof *partials);
    if (backlogs == NULL || partials == NULL) die("calloc");
}

int main(int argc, char** argv) {
    static struct epoll_event events[max_events];
    if (argc < 2 || (strcmp(argv[1], "echo") != 0 && strcmp(argv[1], "line") != 0)) {
        fputs("usage: epoll_server echo|line [port]\n", stderr);
        return 2;
    }
    line_by_line = argv[1][0] == 'l';
    raise_descriptor_limit();
    poller = epoll_create1(EPOLL_CLOEXEC);
    if (poller < 0) die("epoll_create1");
    open_listener((in_port_t)(argc > 2 ? atoi(argv[2]) : 0));
    register_once(listener, EPOLLIN);
    for (;;) {
        int n = epoll_wait(poller, events, max_events, -1);
        if (n < 0 && errno != EINTR) die("epoll_wait");
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == listener) {
                accept_all();
            } else {
                serve(events[i].data.fd, events[i].events);
            }
        }
    }
}
