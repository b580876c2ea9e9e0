#include <fcntl.h>

#include <array>

#include "runtime/wait_any.hpp"
#include "test/runtime/sockets.hpp"

using namespace coir;
using namespace coir::test;

namespace {

pollfd reads(const Socket& socket) { return {socket.fd(), POLLIN, 0}; }
pollfd writes(const Socket& socket) { return {socket.fd(), POLLOUT, 0}; }

std::size_t count(Result<std::size_t> ready) { return ready ? *ready : 1000; }

}  // namespace

TEST_CASE("wait_any says which of several descriptors are ready") {
    Scheduler scheduler;
    SocketPair first(scheduler), second(scheduler);
    std::array entries{reads(first.left), reads(second.left), writes(first.left)};
    in_fiber(scheduler, [&] {
        CHECK(count(wait_any(scheduler, entries, never)) == 1);
        CHECK(entries[0].revents == 0);
        CHECK(entries[2].revents == POLLOUT);
        send_raw(second.right, "x");
        CHECK(count(wait_any(scheduler, entries, never)) == 2);
        CHECK(entries[0].revents == 0);
        CHECK(entries[1].revents == POLLIN);
        CHECK(entries[2].revents == POLLOUT);
    });
}

TEST_CASE("wait_any ends when one becomes ready, whatever happens in the other direction") {
    Scheduler scheduler;
    SocketPair first(scheduler), second(scheduler);
    std::array entries{reads(first.left), reads(second.left), reads(second.left)};
    Result<std::size_t> ready = std::size_t{0};
    auto waiter = spawn(scheduler, [&] { ready = wait_any(scheduler, entries, never); });
    in_fiber(scheduler, [&] {
        until_parked(scheduler, *waiter);
        send_raw(first.left, "the wrong way");
        CHECK(waiter->state() == Fiber::State::parked);
        send_raw(second.right, "x");
        CHECK(scheduler.join(*waiter) == Error());
    });
    CHECK(count(ready) == 2);  // the one that is there twice
    CHECK(entries[0].revents == 0);
    CHECK(entries[1].revents == POLLIN);
}

TEST_CASE("wait_any gives 0 at its deadline") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    std::array entries{reads(pair.left)};
    in_fiber(scheduler, [&] {
        CHECK(count(wait_any(scheduler, entries, overdue())) == 0);
        CHECK(count(wait_any(scheduler, entries, Clock::now() + std::chrono::milliseconds(5))) ==
              0);
        CHECK(count(wait_any(scheduler, {}, Clock::now() + std::chrono::milliseconds(5))) == 0);
    });
}

TEST_CASE("wait_any passes over negative numbers and counts what is broken as ready") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    std::array entries{pollfd{-1, POLLIN, 0}, reads(pair.left)};
    in_fiber(scheduler, [&] {
        CHECK(pair.right.close() == Error());
        CHECK(count(wait_any(scheduler, entries, never)) == 1);
        CHECK(entries[0].revents == 0);
        CHECK((entries[1].revents & POLLHUP) != 0);
    });
}

TEST_CASE("wait_any takes a file, which is always ready") {
    Scheduler scheduler;
    int fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    std::array entries{pollfd{fd, POLLIN, 0}};
    in_fiber(scheduler, [&] { CHECK(count(wait_any(scheduler, entries, never)) == 1); });
    ::close(fd);
}

TEST_CASE("wait_any refuses a number that is not open") {
    Scheduler scheduler;
    std::array entries{pollfd{1 << 20, POLLIN, 0}};
    in_fiber(scheduler, [&] {
        CHECK(wait_any(scheduler, entries, never).error() == std::errc::bad_file_descriptor);
    });
}

TEST_CASE("wait_any ends when its fiber is cancelled") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    std::array entries{reads(pair.left)};
    Error error;
    auto waiter = spawn(scheduler, [&] { error = wait_any(scheduler, entries, never).error(); });
    in_fiber(scheduler, [&] {
        until_parked(scheduler, *waiter);
        scheduler.cancel(*waiter);
        CHECK(scheduler.join(*waiter) == Error());
    });
    CHECK(error == std::errc::operation_canceled);
}

TEST_CASE("others run while wait_any finds something ready again and again") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    std::array entries{writes(pair.left)};
    int rounds = 0;
    auto other = spawn(scheduler, [&] {
        while (rounds < 3) CHECK(scheduler.yield() == Error());
    });
    in_fiber(scheduler, [&] {
        for (; rounds < 3; ++rounds) CHECK(count(wait_any(scheduler, entries, never)) == 1);
        CHECK(scheduler.join(*other) == Error());
    });
}
