#include <thread>

#include "runtime/descriptor.hpp"
#include "test/runtime/sockets.hpp"

using namespace coir;
using namespace coir::test;

namespace {
constexpr auto deadlock = std::errc::resource_deadlock_would_occur;
}

TEST_CASE("fibers that nobody can wake are reported, and can still be woken") {
    Scheduler scheduler;
    WaitList list("test");
    CHECK_FALSE(scheduler.deadlocked());
    for (int i = 0; i < 3; ++i) spawn(scheduler, [&] { CHECK(scheduler.park(list) == Error()); });
    CHECK_FALSE(scheduler.deadlocked());
    CHECK(scheduler.run() == deadlock);
    CHECK(scheduler.deadlocked());
    CHECK(scheduler.fibers() == 3);
    CHECK(scheduler.run_once() == deadlock);
    scheduler.wake_all(list);
    CHECK_FALSE(scheduler.deadlocked());
    run(scheduler);
}

TEST_CASE("fibers that join each other are a deadlock") {
    Scheduler scheduler;
    std::shared_ptr<Fiber> a, b;
    a = spawn(scheduler, [&] { CHECK(scheduler.join(*b) == std::errc::operation_canceled); });
    b = spawn(scheduler, [&] { CHECK(scheduler.join(*a) == Error()); });
    CHECK(scheduler.run() == deadlock);
    scheduler.cancel(*a);
    run(scheduler);
}

TEST_CASE("a sleep without end is a deadlock, one with an end is none") {
    Scheduler scheduler;
    auto fiber = spawn(scheduler, [&] {
        CHECK(scheduler.sleep_until(in_ms(1)) == Error());
        CHECK(scheduler.sleep_until(never) == std::errc::operation_canceled);
    });
    CHECK(scheduler.run() == deadlock);
    scheduler.cancel(*fiber);
    run(scheduler);
}

TEST_CASE("a fiber that waits for a descriptor is no deadlock, even one that nobody writes to") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    auto reader = spawn(scheduler, [&] { (void)read(pair.left); });
    CHECK(scheduler.run_once(overdue()) == Error());
    CHECK_FALSE(scheduler.deadlocked());
    CHECK(scheduler.run_once(overdue()) == Error());
    scheduler.cancel(*reader);
    run(scheduler);
    WaitList list("test");
    auto stuck = spawn(scheduler, [&] { (void)scheduler.park(list); });
    CHECK(scheduler.run() == deadlock);  // the reader is not counted any more
    scheduler.wake(*stuck);
    run(scheduler);
}

TEST_CASE("a list that only others can wake is no deadlock") {
    Scheduler scheduler;
    WaitList list("thread", true);
    auto fiber = spawn(scheduler, [&] { CHECK(scheduler.park(list) == Error()); });
    CHECK(scheduler.run_once() == Error());
    std::thread waker([&] { scheduler.post([&] { scheduler.wake(*fiber); }); });
    run(scheduler);
    waker.join();
}

TEST_CASE("while it is held a scheduler is not deadlocked") {
    Scheduler scheduler;
    WaitList list("test");
    scheduler.hold();
    scheduler.hold();
    auto fiber = spawn(scheduler, [&] { CHECK(scheduler.park(list) == Error()); });
    CHECK(scheduler.run_once() == Error());
    CHECK_FALSE(scheduler.deadlocked());
    CHECK(scheduler.run_once(overdue()) == Error());
    scheduler.release();
    CHECK_FALSE(scheduler.deadlocked());
    std::thread waker([&] {
        scheduler.post([&] {
            scheduler.wake(*fiber);
            scheduler.release();
        });
    });
    run(scheduler);
    waker.join();
}

TEST_CASE("a posted function is no deadlock, and a release without a wake-up is one") {
    Scheduler scheduler;
    WaitList list("test");
    auto fiber = spawn(scheduler, [&] { CHECK(scheduler.park(list) == Error()); });
    scheduler.hold();
    CHECK(scheduler.run_once() == Error());
    scheduler.post([&] { scheduler.release(); });
    CHECK(scheduler.run() == deadlock);
    scheduler.post([&] { scheduler.wake(*fiber); });
    CHECK_FALSE(scheduler.deadlocked());
    run(scheduler);
}
