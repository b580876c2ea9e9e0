// generator.cpp: the epoll loop of the load generator.

#include "bench/load/generator.hpp"

#include "bench/load/clock.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include <arpa/inet.h>
#include <sys/epoll.h>
#include <unistd.h>

namespace coir::bench {

static constexpr std::size_t opening_at_once = 64;
static constexpr int max_events = 1024;
static constexpr std::size_t buffer_size = 256 * 1024;

static std::atomic<bool> interrupt_seen = false;

void stop_at_interrupt() {
    struct sigaction action {};
    action.sa_handler = [](int) { interrupt_seen = true; };
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    ::sigaction(SIGINT, &action, nullptr);
}

bool interrupted() { return interrupt_seen.load(std::memory_order_relaxed); }

static sockaddr_in loopback(std::uint32_t host, std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl((127U << 24) + host);
    return address;
}

Generator::Generator(const Options& options)
    : options_(options),
      messages_(options.size, options.depth, options.mode == Mode::line),
      buffer_(buffer_size),
      schedules_(options.connections),
      poller_(::epoll_create1(EPOLL_CLOEXEC)) {
    if (poller_ < 0) {
        std::perror("load: epoll_create1");
        std::exit(1);
    }
    for (std::size_t i = 0; i < options.connections; ++i) {
        connections_.emplace_back(messages_, i, options.depth);
    }
}

Generator::~Generator() { ::close(poller_); }

// Connections come from 200 addresses in turn, so that ports that a closed connection still holds
// (TIME_WAIT) do not run out.
bool Generator::open(Connection& connection, std::uint64_t now) {
    auto host = static_cast<std::uint32_t>(2 + opened_++ % 200);
    return connection.open(poller_, loopback(host, 0), loopback(1, options_.port), now);
}

void Generator::connect_all() {
    for (Connection& connection : connections_) {
        if (interrupted()) break;
        if (!open(connection, now_ns())) lose(connection);
        if (connection.busy()) ++busy_;
        wait_until_busy_is(opening_at_once);
    }
    wait_until_busy_is(0);
}

void Generator::run(double seconds) {
    latency_.clear();
    started_ = ended_ = now_ns();
    end_ = started_ + seconds_to_ns(seconds);
    allowed_ = options_.requests > 0 ? options_.requests : UINT64_MAX;
    if (options_.rate > 0) {
        keep_schedule();
    } else {
        for (Connection& connection : connections_) start(connection);
    }
    wait_until_busy_is(0);
    turn(1);  // meets bytes that nobody asked for
}

void Generator::start(Connection& connection) {
    std::uint64_t now = now_ns();
    bool churn = options_.mode == Mode::churn;
    if (!churn && !connection.is_open()) return;
    std::size_t count = allow(churn ? 1 : options_.depth);
    if (count == 0) return;
    bool well = churn ? open(connection, now) : connection.send(count, now);
    if (!well) lose(connection);
    if (connection.busy()) ++busy_;
}

// Takes up to `count` requests from what may still be sent.
std::size_t Generator::allow(std::size_t count) {
    count = std::min<std::uint64_t>(count, allowed_);
    allowed_ -= count;
    return count;
}

std::uint64_t Generator::due(std::uint64_t request) const {
    double after_ns = static_cast<double>(request) * 1e9 / options_.rate;
    return started_ + static_cast<std::uint64_t>(after_ns);
}

// To wake up would take longer than many an answer.
void Generator::keep_schedule() {
    schedules_.assign(connections_.size(), Schedule{});
    std::uint64_t next = 0;
    for (std::uint64_t now = started_; running(now) && allowed_ > 0; now = now_ns()) {
        for (; due(next) <= now && allow(1) > 0; ++next) {
            Connection& connection = connections_[next % connections_.size()];
            bool busy_before = connection.busy();
            ++schedules_[connection.index()].due;
            catch_up(connection);
            if (!busy_before && connection.busy()) ++busy_;
        }
        turn(0);
    }
}

// Sends what is due on a connection, as far as it is free.
void Generator::catch_up(Connection& connection) {
    Schedule& schedule = schedules_[connection.index()];
    while (connection.is_open() && schedule.sent < schedule.due &&
           connection.under_way() < options_.depth) {
        std::uint64_t request = schedule.sent++ * connections_.size() + connection.index();
        if (!connection.send(1, due(request))) lose(connection);
    }
}

void Generator::hold(double seconds) {
    latency_.clear();
    started_ = ended_ = now_ns();
    end_ = started_ + seconds_to_ns(seconds);
    while (running(ended_)) {
        turn(static_cast<int>((end_ - ended_) / 1'000'000 + 1));
        ended_ = now_ns();
    }
}

// Nothing sleeps while answers are due: to wake the generator up is work that the kernel charges to
// the server, and more of it the slower the server is.
void Generator::wait_until_busy_is(std::size_t most) {
    std::uint64_t patience = seconds_to_ns(options_.patience_s);
    for (std::uint64_t last = now_ns(); busy_ > most;) {
        if (turn(0)) {
            last = now_ns();
        } else if (now_ns() - last > patience) {
            give_up();
        }
    }
}

// Handles the events that are there, waiting for the first. Returns false when none came in time.
bool Generator::turn(int timeout_ms) {
    epoll_event events[max_events];
    int n = ::epoll_wait(poller_, events, max_events, timeout_ms);
    if (n < 0) return errno == EINTR;
    for (int i = 0; i < n; ++i) {
        auto& connection = *static_cast<Connection*>(events[i].data.ptr);
        bool busy_before = connection.busy();
        handle(connection, events[i].events);
        if (busy_before) --busy_;
        if (connection.busy()) ++busy_;
    }
    return n > 0;
}

void Generator::handle(Connection& connection, std::uint32_t events) {
    bool hung_up = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    if (connection.opening()) return opened(connection, hung_up);
    if (!connection.flush()) return lose(connection);
    if (hung_up || (events & EPOLLIN) != 0) answered(connection, hung_up);
}

void Generator::opened(Connection& connection, bool hung_up) {
    bool well = connection.finish_opening(hung_up);
    if (well && options_.mode == Mode::churn) well = connection.send(1, connection.opened_at());
    if (!well) lose(connection);
}

void Generator::answered(Connection& connection, bool hung_up) {
    if (!connection.receive(buffer_, hung_up)) return lose(connection);
    std::uint64_t now = now_ns();
    std::size_t answers = connection.take_answers(latency_, now);
    if (answers == 0) return;
    ended_ = now;
    go_on(connection, answers, now);
}

void Generator::go_on(Connection& connection, std::size_t answers, std::uint64_t now) {
    if (options_.rate > 0) return interrupted() ? void() : catch_up(connection);
    bool churn = options_.mode == Mode::churn;
    if (churn) connection.close();
    if (!running(now)) return;
    std::size_t count = allow(answers);
    if (count == 0) return;
    if (!(churn ? open(connection, now) : connection.send(count, now))) lose(connection);
}

void Generator::lose(Connection& connection) {
    if (faults_++ == 0) first_fault_ = connection.fault();
}

void Generator::give_up() {
    for (Connection& connection : connections_) {
        if (!connection.busy()) continue;
        connection.fail(connection.opening() ? "not connected in time" : "no answer in time");
        lose(connection);
    }
    busy_ = 0;
}

bool Generator::running(std::uint64_t now) const { return now < end_ && !interrupted(); }

}  // namespace coir::bench
