#include "runtime/scheduler.hpp"
#include "test/runtime/fixtures.hpp"

using namespace coir;
using namespace coir::test;

TEST_CASE("joining waits until the fiber is dead") {
    Scheduler scheduler;
    std::string log;
    auto worker = spawn(scheduler, [&] {
        for (int i = 0; i < 3; ++i) (void)scheduler.yield();
        log += 'w';
    });
    spawn(scheduler, [&] {
        CHECK(scheduler.join(*worker) == Error());
        CHECK(worker->dead());
        log += 'j';
    });
    run(scheduler);
    CHECK(log == "wj");
}

TEST_CASE("joining a dead fiber returns at once") {
    Scheduler scheduler;
    auto worker = spawn(scheduler, [] {});
    run(scheduler);
    in_fiber(scheduler, [&] {
        std::uint64_t switches = scheduler.running()->switches();
        CHECK(scheduler.join(*worker) == Error());
        CHECK(scheduler.join(*worker, overdue()) == Error());
        CHECK(scheduler.running()->switches() == switches);
    });
}

TEST_CASE("a fiber cannot join itself") {
    Scheduler scheduler;
    in_fiber(scheduler, [&] {
        CHECK(scheduler.join(*scheduler.running()) == std::errc::resource_deadlock_would_occur);
    });
}

TEST_CASE("any number of fibers join one, and go on in order") {
    Scheduler scheduler;
    std::string log;
    auto worker = spawn(scheduler, [&] { (void)scheduler.yield(); });
    for (char letter : {'a', 'b', 'c'}) {
        spawn(scheduler, [&, letter] {
            CHECK(scheduler.join(*worker) == Error());
            log += letter;
        });
    }
    run(scheduler);
    CHECK(log == "abc");
}

TEST_CASE("a join ends at its deadline, and the fiber lives on") {
    Scheduler scheduler;
    WaitList list("test");
    auto worker = spawn(scheduler, [&] { (void)scheduler.park(list); });
    in_fiber(scheduler, [&] {
        CHECK(scheduler.join(*worker, overdue()) == std::errc::timed_out);
        CHECK_FALSE(worker->dead());
        scheduler.wake(*worker);
        CHECK(scheduler.join(*worker, in_ms(60'000)) == Error());
    });
}

TEST_CASE("a fiber that is cancelled while it joins lets go, and the fiber lives on") {
    Scheduler scheduler;
    WaitList list("test");
    auto worker = spawn(scheduler, [&] { CHECK(scheduler.park(list) == Error()); });
    auto joiner = spawn(scheduler, [&] {
        CHECK(scheduler.join(*worker) == std::errc::operation_canceled);
        CHECK_FALSE(worker->dead());
        scheduler.wake(*worker);
    });
    spawn(scheduler, [&] { scheduler.cancel(*joiner); });
    run(scheduler);
}

TEST_CASE("a fiber may be destroyed as soon as it is dead though others join it") {
    Scheduler scheduler;
    struct Last : Fiber {
        explicit Last(Scheduler& owner) : scheduler(owner) {}
        void body() override { (void)scheduler.yield(); }
        void ended() override { delete this; }
        Scheduler& scheduler;
    };
    auto* last = new Last(scheduler);
    int joined = 0;
    CHECK(scheduler.start(*last) == Error());
    for (Deadline deadline : {never, in_ms(60'000)}) {
        spawn(scheduler, [&, deadline] {
            CHECK(scheduler.join(*last, deadline) == Error());
            ++joined;
        });
    }
    run(scheduler);
    CHECK(joined == 2);
}

TEST_CASE("a fiber joins one that has not started yet") {
    Scheduler scheduler;
    Task late([] {});
    spawn(scheduler, [&] { CHECK(scheduler.join(late) == Error()); });
    spawn(scheduler, [&] { CHECK(scheduler.start(late) == Error()); });
    run(scheduler);
    CHECK(late.dead());
}
