#include "runtime/scheduler.hpp"
#include "test/runtime/sockets.hpp"

using namespace coir;
using namespace coir::test;

namespace {

constexpr auto cancelled = std::errc::operation_canceled;
constexpr auto interrupted = std::errc::interrupted;

}  // namespace

TEST_CASE("a fiber that is cancelled before its first run runs, and its first wait fails") {
    Scheduler scheduler;
    Error seen;
    auto fiber = spawn(scheduler, [&] { seen = scheduler.yield(); });
    scheduler.cancel(*fiber);
    CHECK(fiber->cancelled());
    run(scheduler);
    CHECK(seen == cancelled);
}

TEST_CASE("a fiber that is cancelled before it is started is cancelled when it starts") {
    Scheduler scheduler;
    Error seen;
    Task task([&] { seen = scheduler.yield(); });
    scheduler.cancel(task);
    CHECK(scheduler.start(task) == Error());
    run(scheduler);
    CHECK(seen == cancelled);
}

TEST_CASE("every wait of a cancelled fiber fails, each time") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    WaitList list("test");
    send_raw(pair.right, "data");
    Task dead([] {});
    CHECK(scheduler.start(dead) == Error());
    run(scheduler);
    in_fiber(scheduler, [&] {
        scheduler.cancel(*scheduler.running());
        for (int i = 0; i < 3; ++i) {
            CHECK(scheduler.yield() == cancelled);
            CHECK(scheduler.park(list) == cancelled);
            CHECK(scheduler.park(list, overdue()) == cancelled);
            CHECK(scheduler.sleep_until(overdue()) == cancelled);
            CHECK(scheduler.sleep_until(never) == cancelled);
            CHECK(scheduler.join(dead) == cancelled);
            CHECK(scheduler.checkpoint() == cancelled);
            CHECK(read(pair.left, 1) == failure(cancelled));
            CHECK(read_any(pair.left) == failure(cancelled));
            CHECK(receive(pair.left) == failure(cancelled));
            CHECK(write(pair.left, "x") == cancelled);
            CHECK(pair.left.flush(never) == cancelled);
            CHECK(pair.left.send("x", 0, nullptr, never).error() == cancelled);
            CHECK(pair.left.descriptor().wait(readable, never).error() == cancelled);
            CHECK(wait_foreign(scheduler, pair.left.fd(), readable, never).error() == cancelled);
            CHECK(pair.left.connect(loopback(1)) == cancelled);
        }
        CHECK(list.empty());
    });
    in_fiber(scheduler, [&] { CHECK(read(pair.left, 4) == text("data")); });
}

TEST_CASE("one system call that does not wait works in a cancelled fiber") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    send_raw(pair.right, "data");
    in_fiber(scheduler, [&] {
        scheduler.cancel(*scheduler.running());
        CHECK(receive(pair.left, 10, nullptr, immediate) == text("data"));
        CHECK(receive(pair.left, 10, nullptr, immediate) ==
              failure(std::errc::resource_unavailable_try_again));
        CHECK(*pair.left.send("x", 0, nullptr, immediate) == 1);
    });
}

TEST_CASE("cancelling a parked fiber ends its wait") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    WaitList list("test");
    std::vector<std::shared_ptr<Fiber>> fibers;
    std::vector<Error> seen;
    fibers.push_back(spawn(scheduler, [&] { seen.push_back(scheduler.park(list)); }));
    fibers.push_back(
        spawn(scheduler, [&] { seen.push_back(scheduler.sleep_until(in_ms(60'000))); }));
    fibers.push_back(spawn(scheduler, [&] { seen.push_back(read(pair.left, 1).error); }));
    fibers.push_back(spawn(scheduler, [&] { seen.push_back(scheduler.join(*fibers[0])); }));
    spawn(scheduler, [&] {
        for (std::size_t i = fibers.size(); i-- > 0;) scheduler.cancel(*fibers[i]);
    });
    run(scheduler);
    CHECK(seen == std::vector<Error>(4, cancelled));
    CHECK(list.empty());
}

TEST_CASE("a fiber that was woken and then cancelled learns of both, one after the other") {
    Scheduler scheduler;
    WaitList list("test");
    auto fiber = spawn(scheduler, [&] {
        CHECK(scheduler.park(list) == Error());
        CHECK(scheduler.park(list) == cancelled);
    });
    spawn(scheduler, [&] {
        scheduler.wake(*fiber);
        scheduler.cancel(*fiber);
    });
    run(scheduler);
}

TEST_CASE("a fiber that was cancelled and then woken learns of the cancellation") {
    Scheduler scheduler;
    WaitList list("test");
    auto fiber = spawn(scheduler, [&] { CHECK(scheduler.park(list) == cancelled); });
    spawn(scheduler, [&] {
        scheduler.cancel(*fiber);
        scheduler.cancel(*fiber);
        scheduler.wake(*fiber);
    });
    run(scheduler);
}

TEST_CASE("a fiber that cancels a ready one is believed at once") {
    Scheduler scheduler;
    auto fiber = spawn(scheduler, [&] { CHECK(scheduler.yield() == cancelled); });
    spawn(scheduler, [&] { scheduler.cancel(*fiber); });
    run(scheduler);
}

TEST_CASE("cancelling a dead fiber does nothing") {
    Scheduler scheduler;
    auto fiber = spawn(scheduler, [] {});
    run(scheduler);
    scheduler.cancel(*fiber);
    scheduler.interrupt(*fiber);
    CHECK(fiber->dead());
    run(scheduler);
}

TEST_CASE("a cancelled fiber that will not stop lets the others run") {
    Scheduler scheduler;
    bool other_ran = false;
    in_fiber(scheduler, [&] {
        scheduler.cancel(*scheduler.running());
        spawn(scheduler, [&] { other_ran = true; });
        for (int i = 0; i < 10'000 && !other_ran; ++i) (void)scheduler.yield();
        CHECK(other_ran);
    });
}

TEST_CASE("an interruption ends one wait") {
    Scheduler scheduler;
    WaitList list("test");
    auto fiber = spawn(scheduler, [&] {
        CHECK(scheduler.park(list) == interrupted);
        CHECK(scheduler.park(list, overdue()) == std::errc::timed_out);
        CHECK(scheduler.yield() == Error());
    });
    spawn(scheduler, [&] {
        scheduler.interrupt(*fiber);
        scheduler.interrupt(*fiber);
    });
    run(scheduler);
}

TEST_CASE("an interruption of a fiber that does not wait ends its next wait, and only that") {
    Scheduler scheduler;
    WaitList list("test");
    auto fiber = spawn(scheduler, [&] {
        CHECK(scheduler.checkpoint() == interrupted);
        CHECK(scheduler.checkpoint() == Error());
        scheduler.interrupt(*scheduler.running());
        CHECK(scheduler.park(list) == interrupted);
        CHECK(scheduler.park(list, overdue()) == std::errc::timed_out);
        scheduler.interrupt(*scheduler.running());
        CHECK(scheduler.yield() == interrupted);
        CHECK(scheduler.yield() == Error());
    });
    scheduler.interrupt(*fiber);
    run(scheduler);
}

TEST_CASE("an interruption that comes after the wake-up ends the wait that follows") {
    Scheduler scheduler;
    WaitList list("test");
    auto fiber = spawn(scheduler, [&] {
        CHECK(scheduler.park(list) == Error());
        CHECK(scheduler.park(list) == interrupted);
        CHECK(scheduler.yield() == Error());
    });
    spawn(scheduler, [&] {
        scheduler.wake(*fiber);
        scheduler.interrupt(*fiber);
    });
    run(scheduler);
}

TEST_CASE("a fiber that yields is interrupted when it goes on") {
    Scheduler scheduler;
    auto fiber = spawn(scheduler, [&] {
        CHECK(scheduler.yield() == interrupted);
        CHECK(scheduler.yield() == Error());
    });
    spawn(scheduler, [&] { scheduler.interrupt(*fiber); });
    run(scheduler);
}

TEST_CASE("cancellation outlasts an interruption") {
    Scheduler scheduler;
    WaitList list("test");
    auto fiber = spawn(scheduler, [&] {
        Error first = scheduler.park(list);
        CHECK((first == interrupted || first == cancelled));
        CHECK(scheduler.park(list) == cancelled);
        CHECK(scheduler.yield() == cancelled);
    });
    spawn(scheduler, [&] {
        scheduler.interrupt(*fiber);
        scheduler.cancel(*fiber);
    });
    run(scheduler);
}

TEST_CASE("an interruption that comes with the last bytes of a read ends the wait that follows") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    auto reader = spawn(scheduler, [&] {
        CHECK(read(pair.left, 2) == text("xy"));
        CHECK(scheduler.yield() == interrupted);
        CHECK(scheduler.yield() == Error());
    });
    CHECK(scheduler.run_once() == Error());
    send_raw(pair.right, "xy");
    // The first function runs before the kernel is asked, the second after the reader was woken.
    scheduler.post([&] { scheduler.post([&] { scheduler.interrupt(*reader); }); });
    run(scheduler);
}
