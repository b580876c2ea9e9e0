#include "runtime/poller.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <csignal>
#include <optional>
#include <set>
#include <thread>

#include "test/runtime/fixtures.hpp"

using namespace coir;
using namespace coir::test;

namespace {

struct Pair {
    Pair() { REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0); }
    ~Pair() {
        ::close(fds[0]);
        ::close(fds[1]);
    }
    int left() const { return fds[0]; }
    void send(std::string_view text = "x") const {
        CHECK(::write(fds[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    }
    int fds[2];
};

// All events that are there at this moment.
std::vector<Poller::Event> look(Poller& poller) {
    std::vector<Poller::Event> events;
    for (int quiet = 0; quiet < 2;) {
        Result<std::span<const Poller::Event>> some = poller.wait(overdue());
        REQUIRE(some);
        quiet = some->empty() ? quiet + 1 : 0;
        events.insert(events.end(), some->begin(), some->end());
    }
    return events;
}

bool has_data(int fd) {
    pollfd entry{fd, POLLIN, 0};
    return ::poll(&entry, 1, 0) == 1;
}

}  // namespace

TEST_CASE("a descriptor is first reported as it is now") {
    Poller poller;
    CHECK(poller.error() == Error());
    Pair quiet, busy;
    busy.send();
    CHECK(poller.add(quiet.left(), 1, true) == Error());
    CHECK(poller.add(busy.left(), 2, true) == Error());
    for (const Poller::Event& event : look(poller)) {
        CHECK(event.readable == (event.token == 2));
        CHECK(event.writable);
        CHECK_FALSE(event.hangup);
    }
}

TEST_CASE("output is reported once somebody has asked for it, starting with how it is") {
    Poller poller;
    Pair pair;
    CHECK(poller.add(pair.left(), 7, false) == Error());
    bool writable = false;
    for (const Poller::Event& event : look(poller)) writable |= event.writable;
    pair.send();
    CHECK(look(poller).size() == 1);
    CHECK(poller.add_writes(pair.left(), 7) == Error());
    for (const Poller::Event& event : look(poller)) {
        CHECK(event.token == 7);
        writable |= event.writable;
    }
    CHECK(writable);
    CHECK(look(poller).empty());
}

TEST_CASE("a change is reported once, and every later change again") {
    Poller poller;
    Pair pair;
    CHECK(poller.add(pair.left(), 7, true) == Error());
    CHECK(look(poller).size() == 1);
    CHECK(look(poller).empty());
    for (int i = 0; i < 3; ++i) {
        pair.send();
        std::vector<Poller::Event> events = look(poller);
        REQUIRE(events.size() == 1);
        CHECK(events[0].token == 7);
        CHECK(events[0].readable);
        CHECK(look(poller).empty());
    }
}

TEST_CASE("a peer that has gone is readable, writable and a hang-up") {
    Poller poller;
    Pair pair;
    CHECK(poller.add(pair.left(), 7, true) == Error());
    (void)look(poller);
    ::shutdown(pair.fds[1], SHUT_RDWR);
    std::vector<Poller::Event> events = look(poller);
    REQUIRE_FALSE(events.empty());
    CHECK(events.back().readable);
    CHECK(events.back().writable);
    CHECK(events.back().hangup);
}

TEST_CASE("half a hang-up is readable and a hang-up") {
    Poller poller;
    Pair pair;
    CHECK(poller.add(pair.left(), 7, true) == Error());
    (void)look(poller);
    ::shutdown(pair.fds[1], SHUT_WR);
    std::vector<Poller::Event> events = look(poller);
    REQUIRE(events.size() == 1);
    CHECK(events[0].readable);
    CHECK(events[0].hangup);
}

TEST_CASE("tokens come back whole") {
    Poller poller;
    Pair pair;
    std::uint64_t token = 0xfedcba9876543210;
    CHECK(poller.add(pair.left(), token, true) == Error());
    std::vector<Poller::Event> events = look(poller);
    REQUIRE(events.size() == 1);
    CHECK(events[0].token == token);
}

TEST_CASE("a descriptor that was removed or closed is not reported any more") {
    Poller poller;
    Pair removed, closed;
    CHECK(poller.add(removed.left(), 1, true) == Error());
    CHECK(poller.add(closed.left(), 2, true) == Error());
    poller.remove(removed.left());
    ::close(closed.fds[0]);
    closed.fds[0] = -1;
    removed.send();
    CHECK(look(poller).empty());
    CHECK(poller.add(removed.left(), 3, true) == Error());
    CHECK(look(poller).size() == 1);
}

TEST_CASE("what cannot be polled is an error") {
    Poller poller;
    Pair pair;
    int file = ::open("/proc/self/exe", O_RDONLY);
    CHECK(poller.add(file, 1, true) == std::errc::operation_not_permitted);
    CHECK(poller.add(-1, 1, true) == std::errc::bad_file_descriptor);
    CHECK(poller.add(pair.left(), 1, true) == Error());
    CHECK(poller.add(pair.left(), 1, true) == std::errc::file_exists);
    ::close(file);
}

TEST_CASE("a deadline that has passed, by a little or for ever, looks once and does not wait") {
    Poller poller;
    (void)look(poller);
    for (Deadline deadline : {overdue(), Deadline(), Deadline::min(), Clock::now()}) {
        Result<std::span<const Poller::Event>> events = poller.wait(deadline);
        REQUIRE(events);
        CHECK(events->empty());
    }
}

TEST_CASE("a wait does not end before its deadline") {
    Poller poller;
    (void)look(poller);
    for (auto length : {std::chrono::microseconds(1), std::chrono::microseconds(700),
                        std::chrono::microseconds(3100)}) {
        Deadline deadline = Clock::now() + length;
        CHECK(poller.wait(deadline)->empty());
        CHECK(Clock::now() >= deadline);
    }
}

TEST_CASE("a wake-up from another thread ends the wait") {
    Poller poller;
    (void)look(poller);
    std::thread waker([&] { poller.wake(); });
    CHECK(poller.wait(never)->empty());
    waker.join();
}

TEST_CASE("a wake-up that comes early ends the next wait, however many there were") {
    Poller poller;
    (void)look(poller);
    for (int i = 0; i < 1000; ++i) poller.wake();
    CHECK(poller.wait(never)->empty());
    (void)look(poller);
    Deadline deadline = in_ms(2);
    CHECK(poller.wait(deadline)->empty());
    CHECK(Clock::now() >= deadline);
}

TEST_CASE("a new poller has nothing to report") {
    Poller poller;
    CHECK_FALSE(has_data(poller.fd()));
    Deadline deadline = in_ms(2);
    CHECK(poller.wait(deadline)->empty());
    CHECK(Clock::now() >= deadline);
}

TEST_CASE("a wake-up ends one wait and not the one after it") {
    Poller poller;
    (void)look(poller);
    poller.wake();
    CHECK(poller.wait(never)->empty());
    CHECK_FALSE(has_data(poller.fd()));
}

TEST_CASE("a signal ends the wait without an event") {
    Poller poller;
    (void)look(poller);
    struct sigaction action {
    }, old{};
    action.sa_handler = [](int) {};
    ::sigaction(SIGALRM, &action, &old);
    itimerval interval{{0, 1000}, {0, 1000}};
    ::setitimer(ITIMER_REAL, &interval, nullptr);
    Result<std::span<const Poller::Event>> events = poller.wait(never);
    interval = {};
    ::setitimer(ITIMER_REAL, &interval, nullptr);
    ::sigaction(SIGALRM, &old, nullptr);
    REQUIRE(events);
    CHECK(events->empty());
}

TEST_CASE("the poller's own descriptor is readable when there is something to report") {
    if (on_libkqueue) return;
    Poller poller;
    Pair pair;
    CHECK(poller.add(pair.left(), 1, true) == Error());
    (void)look(poller);
    CHECK_FALSE(has_data(poller.fd()));
    pair.send();
    CHECK(has_data(poller.fd()));
    (void)look(poller);
    CHECK_FALSE(has_data(poller.fd()));
    poller.wake();
    CHECK(has_data(poller.fd()));
}

TEST_CASE("more events than fit into one call are all reported") {
    Poller poller;
    std::vector<Pair> pairs(700);
    for (std::size_t i = 0; i < pairs.size(); ++i) {
        REQUIRE(poller.add(pairs[i].left(), i, true) == Error());
    }
    (void)look(poller);
    for (const Pair& pair : pairs) pair.send();
    std::set<std::uint64_t> tokens;
    for (const Poller::Event& event : look(poller)) {
        if (event.readable) tokens.insert(event.token);
    }
    CHECK(tokens.size() == pairs.size());
}

TEST_CASE("without descriptors to spare the poller says why it cannot work") {
    for (rlim_t spare : {0, 1}) {
        std::optional<DescriptorLimit> limit(spare);
        Poller poller;
        Scheduler scheduler;
        limit.reset();
        CHECK(poller.error() == std::errc::too_many_files_open);
        CHECK(scheduler.error() == std::errc::too_many_files_open);
        CHECK(scheduler.run_once() == std::errc::too_many_files_open);
    }
}
