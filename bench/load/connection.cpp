// connection.cpp: one client connection: open, send, receive, compare.

#include "bench/load/connection.hpp"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace coir::bench {

static void set_option(int fd, int level, int name) {
    int on = 1;
    ::setsockopt(fd, level, name, &on, sizeof on);
}

bool Connection::open(int poller, const sockaddr_in& source, const sockaddr_in& server,
                      std::uint64_t now) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd_ < 0) return fail(std::strerror(errno));
    set_option(fd_, IPPROTO_TCP, TCP_NODELAY);
    set_option(fd_, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT);  // a port is taken for source and server
    opening_ = true;
    opened_at_ = now;
    received_ = answered_ = started_ = 0;
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    event.data.ptr = this;
    const auto* from = reinterpret_cast<const sockaddr*>(&source);
    const auto* to = reinterpret_cast<const sockaddr*>(&server);
    if (::bind(fd_, from, sizeof source) < 0) return fail(std::strerror(errno));
    if (::connect(fd_, to, sizeof server) < 0 && errno != EINPROGRESS) {
        return fail(std::strerror(errno));
    }
    if (::epoll_ctl(poller, EPOLL_CTL_ADD, fd_, &event) < 0) return fail(std::strerror(errno));
    return true;
}

bool Connection::finish_opening(bool hung_up) {
    opening_ = false;
    if (!hung_up) return true;
    int error = 0;
    socklen_t length = sizeof error;
    ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &length);
    return error == 0 || fail(std::strerror(error));
}

bool Connection::send(std::size_t count, std::uint64_t now) {
    for (std::size_t i = 0; i < count; ++i) sent_at_[started_++ % sent_at_.size()] = now;
    assert(started_ - answered_ <= sent_at_.size());
    unanswered_ += count * messages_.size();
    unsent_ += count * messages_.size();
    return flush();
}

bool Connection::flush() {
    while (unsent_ > 0) {
        const char* bytes = messages_.at(place_) + (unanswered_ - unsent_);
        ssize_t n = ::send(fd_, bytes, unsent_, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) return true;
        if (n < 0) return fail(std::strerror(errno));
        unsent_ -= static_cast<std::size_t>(n);
    }
    return true;
}

bool Connection::receive(std::span<char> buffer, bool hung_up) {
    for (;;) {
        ssize_t n = ::recv(fd_, buffer.data(), buffer.size(), 0);
        if (n < 0 && errno == EAGAIN) return true;
        if (n < 0) return fail(std::strerror(errno));
        if (n == 0) return fail("closed by the server");
        auto size = static_cast<std::size_t>(n);
        if (!check(buffer.first(size))) return false;
        if (size < buffer.size() && !hung_up) return true;
    }
}

bool Connection::check(std::span<const char> answer) {
    std::size_t under_way = unanswered_ - unsent_;
    const char* expected = messages_.at(place_);
    std::size_t size = std::min(answer.size(), under_way);
    if (std::memcmp(answer.data(), expected, size) != 0) {
        auto wrong = std::mismatch(answer.begin(), answer.end(), expected).first - answer.begin();
        return fail_at(static_cast<std::size_t>(wrong), answer[static_cast<std::size_t>(wrong)]);
    }
    if (answer.size() > under_way) return fail("more bytes came back than were sent");
    place_ = messages_.after(place_, size);
    unanswered_ -= size;
    received_ += size;
    return true;
}

std::size_t Connection::take_answers(Histogram& latency, std::uint64_t now) {
    std::uint64_t complete = received_ / messages_.size();
    std::size_t count = complete - answered_;
    while (answered_ < complete) latency.record(now - sent_at_[answered_++ % sent_at_.size()]);
    return count;
}

void Connection::close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
    opening_ = false;
    unanswered_ = unsent_ = 0;
}

bool Connection::fail(std::string_view reason) {
    fault_ = "connection " + std::to_string(index_) + ": " + std::string(reason);
    close();
    return false;
}

bool Connection::fail_at(std::size_t wrong, char seen) {
    char text[120];
    std::snprintf(text, sizeof text, "corrupt answer %llu: byte %zu is 0x%02x instead of 0x%02x",
                  static_cast<unsigned long long>((received_ + wrong) / messages_.size() + 1),
                  static_cast<std::size_t>((received_ + wrong) % messages_.size() + 1),
                  static_cast<unsigned char>(seen),
                  static_cast<unsigned char>(*(messages_.at(place_) + wrong)));
    return fail(text);
}

}  // namespace coir::bench
