// context_server.cpp: a yardstick, epoll_server.c's echo written with a fiber for each connection.
//
// Usage: context_server echo|line [port]. The same system calls in the same order; between them
// fibers on bare Boost.Context, without Lua. So it says what the fibers alone cost.

#include "bench/yardsticks/context_fibers.hpp"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace coir::bench;

namespace {

constexpr std::size_t buffer_size = 64 * 1024;
constexpr int max_events = 1024;

int poller;
char buffer[buffer_size];  // nobody keeps anything in it while waiting
std::string output;        // the answers of a wake-up; as the buffer

struct Connection {
    int fd;
    Fiber fiber;
    bool waiting = false;
    bool readable = false;  // since the last short read
    bool hung_up = false;
};

[[noreturn]] void die(const char* what) {
    std::perror(what);
    std::exit(1);
}

void wait(Connection& connection) {
    connection.waiting = true;
    park();
}

// Sends all of it, waiting while the kernel is full. Returns false when the connection is lost.
bool send_all(Connection& connection, std::string_view bytes) {
    std::string kept;
    for (;;) {
        ssize_t n = ::send(connection.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN) return false;
        if (n > 0) bytes.remove_prefix(static_cast<std::size_t>(n));
        if (bytes.empty()) return true;
        kept.assign(bytes.data(), bytes.size());
        bytes = kept;
        wait(connection);
    }
}

// Reads into the buffer, waiting for the first bytes. A short read has drained the socket, so the
// next one waits at once. Returns 0 at the end or when the connection is lost.
std::size_t read_some(Connection& connection) {
    for (;;) {
        if (!connection.readable) wait(connection);
        ssize_t n = ::recv(connection.fd, buffer, sizeof buffer, 0);
        bool drained = n < static_cast<ssize_t>(sizeof buffer);
        connection.readable = !drained || connection.hung_up;
        if (n >= 0) return static_cast<std::size_t>(n);
        if (errno != EAGAIN) return 0;
    }
}

void echo(Connection& connection) {
    while (std::size_t n = read_some(connection)) {
        if (!send_all(connection, {buffer, n})) return;
    }
}

// Answers every complete line; what begins a line stays in `partial`.
bool answer_lines(Connection& connection, std::string& partial, std::string_view input) {
    output.clear();
    for (std::size_t end; (end = input.find('\n')) != input.npos; input.remove_prefix(end + 1)) {
        output += partial;
        output += input.substr(0, end + 1);
        partial.clear();
    }
    partial += input;
    return output.empty() || send_all(connection, output);
}

void echo_lines(Connection& connection) {
    std::string partial;
    while (std::size_t n = read_some(connection)) {
        if (!answer_lines(connection, partial, {buffer, n})) return;
    }
}

std::vector<std::unique_ptr<Connection>> spare;  // objects of connections that have ended

void serve(int fd, void (*serve_client)(Connection&)) {
    if (spare.empty()) spare.push_back(std::make_unique<Connection>());
    Connection* connection = spare.back().release();
    spare.pop_back();
    connection->fd = fd;
    connection->readable = connection->hung_up = false;
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    event.data.ptr = connection;
    if (::epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) < 0) die("epoll_ctl");
    spawn(connection->fiber, [connection, serve_client] {
        serve_client(*connection);
        ::close(connection->fd);
        spare.emplace_back(connection);
    });
}

int listen_at(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* name = reinterpret_cast<sockaddr*>(&address);
    int on = 1;
    int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) die("socket");
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // connections inherit it
    if (::bind(fd, name, length) < 0) die("bind");
    if (::listen(fd, SOMAXCONN) < 0) die("listen");
    if (::getsockname(fd, name, &length) < 0) die("getsockname");
    std::printf("port %d\n", ntohs(address.sin_port));
    std::fflush(stdout);
    return fd;
}

void accept_all(int listener, void (*serve_client)(Connection&)) {
    for (;;) {
        int fd = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            serve(fd, serve_client);
        } else if (errno == EAGAIN) {
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            die("accept4");
        }
    }
}

void wake(Connection& connection, std::uint32_t events) {
    if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
        connection.hung_up = connection.readable = true;
    }
    if ((events & EPOLLIN) != 0) connection.readable = true;
    if (!connection.waiting) return;
    connection.waiting = false;
    ready.push(connection.fiber);
}

}  // namespace

int main(int argc, char** argv) {
    std::string_view kind = argc > 1 ? argv[1] : "";
    if (kind != "echo" && kind != "line") {
        std::fputs("usage: context_server echo|line [port]\n", stderr);
        return 2;
    }
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);

    poller = ::epoll_create1(EPOLL_CLOEXEC);
    if (poller < 0) die("epoll_create1");
    int listener = listen_at(static_cast<std::uint16_t>(argc > 2 ? std::atoi(argv[2]) : 0));
    epoll_event event{};
    event.events = EPOLLIN | EPOLLET;
    if (::epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event) < 0) die("epoll_ctl");
    static epoll_event events[max_events];
    for (;;) {
        int n = ::epoll_wait(poller, events, max_events, -1);
        if (n < 0 && errno != EINTR) die("epoll_wait");
        for (int i = 0; i < n; ++i) {
            auto* connection = static_cast<Connection*>(events[i].data.ptr);
            if (connection == nullptr) {
                accept_all(listener, kind == "echo" ? echo : echo_lines);
            } else {
                wake(*connection, events[i].events);
            }
        }
        run_ready();
    }
}
