#include <fcntl.h>
#include <poll.h>

#include "runtime/descriptor.hpp"
#include "test/runtime/sockets.hpp"

using namespace coir;
using namespace coir::test;

namespace {

// A pipe that belongs to somebody else: plain numbers, blocking.
struct ForeignPipe {
    ForeignPipe() { REQUIRE(::pipe(fds) == 0); }
    ~ForeignPipe() {
        for (int fd : fds) {
            if (fd >= 0) ::close(fd);
        }
    }
    void put() const { CHECK(::write(fds[1], "x", 1) == 1); }
    void take() const {
        char byte;
        CHECK(::read(fds[0], &byte, 1) == 1);
    }
    int fds[2];
};

unsigned directions(Result<unsigned> ready) { return ready ? *ready : 1000; }

}  // namespace

TEST_CASE("a wait says in which of the wanted directions the descriptor is ready") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    Descriptor& left = pair.left.descriptor();
    in_fiber(scheduler, [&] {
        CHECK(directions(left.wait(writable, never)) == writable);
        CHECK(directions(left.wait(readable | writable, never)) == writable);
        CHECK(left.wait(readable, overdue()).error() == std::errc::timed_out);
        send_raw(pair.right, "x");
        CHECK(directions(left.wait(readable, never)) == readable);
        CHECK(directions(left.wait(readable | writable, never)) == (readable | writable));
        CHECK(read(pair.left, 1) == text("x"));
        CHECK(left.wait(readable, overdue()).error() == std::errc::timed_out);
    });
}

TEST_CASE("a wait for both directions ends with whichever comes") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    stuff(pair.left);
    Result<unsigned> ready = 0U;
    auto waiter =
        spawn(scheduler, [&] { ready = pair.left.descriptor().wait(readable | writable, never); });
    in_fiber(scheduler, [&] {
        until_parked(scheduler, *waiter);
        send_raw(pair.right, "x");
        CHECK(scheduler.join(*waiter) == Error());
    });
    CHECK(directions(ready) == readable);
    in_fiber(scheduler, [&] {
        CHECK(read(pair.left, 1) == text("x"));
        auto second = spawn(
            scheduler, [&] { ready = pair.left.descriptor().wait(readable | writable, never); });
        until_parked(scheduler, *second);
        while (!receive(pair.right, 65536, nullptr, immediate).error) {
        }
        CHECK(scheduler.join(*second) == Error());
    });
    CHECK(directions(ready) == writable);
}

TEST_CASE("a wait does not see what a reader has buffered, the kernel is asked") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    send_raw(pair.right, "xy");
    in_fiber(scheduler, [&] {
        CHECK(read(pair.left, 1) == text("x"));
        CHECK(pair.left.buffered() == "y");
        CHECK(pair.left.descriptor().wait(readable, overdue()).error() == std::errc::timed_out);
    });
}

TEST_CASE("the end of a stream and an error are ready in the direction that was wanted") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    (void)pair.right.close();
    in_fiber(scheduler, [&] {
        CHECK(directions(pair.left.descriptor().wait(readable, never)) == readable);
        CHECK(directions(pair.left.descriptor().wait(writable, never)) == writable);
    });
}

TEST_CASE("a descriptor that was closed before is EBADF, one that is closed meanwhile is ready") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    Result<unsigned> reading = 0U, either = 0U;
    spawn(scheduler, [&] { reading = pair.left.descriptor().wait(readable, never); });
    stuff(pair.left);
    spawn(scheduler,
          [&] { either = pair.left.descriptor().wait(readable | writable, in_ms(60'000)); });
    spawn(scheduler, [&] { (void)pair.left.close(); });
    run(scheduler);
    CHECK(directions(reading) == readable);
    CHECK(directions(either) == (readable | writable));
    in_fiber(scheduler, [&] {
        CHECK(pair.left.descriptor().wait(readable, never).error() ==
              std::errc::bad_file_descriptor);
    });
}

TEST_CASE("who waits for what is always ready lets the others run") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    bool other_ran = false;
    in_fiber(scheduler, [&] {
        spawn(scheduler, [&] { other_ran = true; });
        for (int i = 0; i < 64 && !other_ran; ++i) {
            CHECK(pair.left.descriptor().wait(writable, never));
        }
        CHECK(other_ran);
    });
}

TEST_CASE("several fibers wait for one descriptor, in the same and in other directions") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    stuff(pair.left);
    int readers = 0, writers = 0;
    for (int i = 0; i < 3; ++i) {
        spawn(scheduler, [&] {
            CHECK(directions(pair.left.descriptor().wait(readable, never)) == readable);
            ++readers;
        });
        spawn(scheduler, [&] {
            CHECK(directions(pair.left.descriptor().wait(writable, never)) == writable);
            CHECK(readers == 3);
            ++writers;
        });
    }
    in_fiber(scheduler, [&] {
        for (int i = 0; i < 3; ++i) (void)scheduler.yield();
        CHECK(readers == 0);
        send_raw(pair.right, "x");
        while (readers < 3) (void)scheduler.yield();
        CHECK(writers == 0);
        while (!receive(pair.right, 65536, nullptr, immediate).error) {
        }
    });
    CHECK(writers == 3);
}

TEST_CASE("a foreign pipe is waited for in both directions") {
    Scheduler scheduler;
    ForeignPipe pipe;
    in_fiber(scheduler, [&] {
        CHECK(directions(wait_foreign(scheduler, pipe.fds[1], writable, never)) == writable);
        CHECK(wait_foreign(scheduler, pipe.fds[0], readable, overdue()).error() ==
              std::errc::timed_out);
        CHECK(wait_foreign(scheduler, pipe.fds[0], readable, immediate).error());
        auto waiter = spawn(scheduler, [&] {
            CHECK(directions(wait_foreign(scheduler, pipe.fds[0], readable, never)) == readable);
        });
        until_parked(scheduler, *waiter);
        pipe.put();
        CHECK(scheduler.join(*waiter) == Error());
        pipe.take();
        CHECK(wait_foreign(scheduler, pipe.fds[0], readable, overdue()).error() ==
              std::errc::timed_out);
    });
    CHECK((::fcntl(pipe.fds[0], F_GETFL) & O_NONBLOCK) == 0);
}

TEST_CASE("two fibers wait for one foreign descriptor") {
    Scheduler scheduler;
    ForeignPipe pipe;
    int ready = 0;
    std::shared_ptr<Fiber> last;
    for (int i = 0; i < 2; ++i) {
        last = spawn(scheduler, [&] {
            CHECK(directions(wait_foreign(scheduler, pipe.fds[0], readable, never)) == readable);
            ++ready;
        });
    }
    in_fiber(scheduler, [&] {
        until_parked(scheduler, *last);
        pipe.put();
    });
    CHECK(ready == 2);
}

TEST_CASE("a regular file is always ready, an empty place is not waited for") {
    Scheduler scheduler;
    int file = ::open("/proc/self/exe", O_RDONLY);
    in_fiber(scheduler, [&] {
        CHECK(directions(wait_foreign(scheduler, file, readable, never)) == readable);
        CHECK(wait_foreign(scheduler, -1, readable, never).error() ==
              std::errc::bad_file_descriptor);
        CHECK(wait_foreign(scheduler, 19'999, readable, never).error() ==
              std::errc::bad_file_descriptor);
    });
    ::close(file);
}

TEST_CASE("the descriptor of a socket can be waited for as a foreign one too") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    bool waited = false;
    auto reader = spawn(scheduler, [&] { CHECK(read(pair.left, 1) == text("x")); });
    auto waiter = spawn(scheduler, [&] {
        waited = static_cast<bool>(wait_foreign(scheduler, pair.left.fd(), readable, never));
    });
    in_fiber(scheduler, [&] {
        until_parked(scheduler, *waiter);
        send_raw(pair.right, "x");
    });
    CHECK(reader->dead());
    CHECK(waited);
}

TEST_CASE("a foreign number that is closed and reused meanwhile does not confuse its waiter") {
    Scheduler scheduler;
    auto pipe = std::make_unique<ForeignPipe>();
    int number = pipe->fds[0];
    int writer = ::dup(pipe->fds[1]);
    bool woken = false;
    auto waiter = spawn(scheduler, [&] {
        CHECK(wait_foreign(scheduler, number, readable, never));
        woken = true;
    });
    in_fiber(scheduler, [&] {
        until_parked(scheduler, *waiter);
        pipe.reset();
        ForeignPipe other;
        CHECK(other.fds[0] == number);
        other.put();
        for (int i = 0; i < 5; ++i) (void)scheduler.yield();
        CHECK_FALSE(woken);
        CHECK(::write(writer, "x", 1) == 1);
        CHECK(scheduler.join(*waiter) == Error());
        other.take();
    });
    CHECK(woken);
    ::close(writer);
}

TEST_CASE("waiting for a foreign descriptor leaves no descriptor behind, however it ends") {
    Scheduler scheduler;
    ForeignPipe pipe;
    int lowest = DescriptorLimit::lowest_free();
    auto cancelled = spawn(scheduler, [&] {
        CHECK(wait_foreign(scheduler, pipe.fds[0], readable, never).error() ==
              std::errc::operation_canceled);
    });
    in_fiber(scheduler, [&] {
        CHECK(wait_foreign(scheduler, pipe.fds[0], readable, overdue()).error() ==
              std::errc::timed_out);
        until_parked(scheduler, *cancelled);
        scheduler.cancel(*cancelled);
        CHECK(scheduler.join(*cancelled) == Error());
    });
    CHECK(DescriptorLimit::lowest_free() == lowest);
}
