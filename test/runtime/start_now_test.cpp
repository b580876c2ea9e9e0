#include "runtime/scheduler.hpp"
#include "test/runtime/sockets.hpp"

using namespace coir;
using namespace coir::test;

TEST_CASE("a fiber that is started now runs until it first waits, then its starter goes on") {
    Scheduler scheduler;
    std::string log;
    Task child([&] {
        log += 'b';
        (void)scheduler.yield();
        log += 'e';
    });
    spawn(scheduler, [&] {
        log += 'a';
        CHECK(scheduler.start_now(child) == Error());
        log += 'c';
    });
    spawn(scheduler, [&] { log += 'd'; });
    run(scheduler);
    CHECK(log == "abcde");
}

TEST_CASE("a fiber that is started now and never waits is dead when its starter goes on") {
    Scheduler scheduler;
    in_fiber(scheduler, [&] {
        Task child([] {});
        CHECK(scheduler.start_now(child) == Error());
        CHECK(child.dead());
        CHECK(child.ends == 1);
    });
}

TEST_CASE("fibers started now by fibers started now unwind in order") {
    Scheduler scheduler;
    std::string log;
    Task c([&] { log += 'c'; });
    Task b([&] {
        log += 'b';
        CHECK(scheduler.start_now(c) == Error());
        log += 'd';
        (void)scheduler.yield();
        log += 'g';
    });
    spawn(scheduler, [&] {
        log += 'a';
        CHECK(scheduler.start_now(b) == Error());
        log += 'e';
    });
    spawn(scheduler, [&] { log += 'f'; });
    run(scheduler);
    CHECK(log == "abcdefg");
}

TEST_CASE("a thousand fibers may each start the next one now") {
    Scheduler scheduler;
    std::vector<std::unique_ptr<Task>> tasks;
    std::vector<int> order;
    for (int i = 0; i < 1000; ++i) {
        tasks.push_back(std::make_unique<Task>([&, i] {
            if (i + 1 < 1000)
                CHECK(scheduler.start_now(*tasks[static_cast<std::size_t>(i) + 1]) == Error());
            order.push_back(i);
        }));
    }
    CHECK(scheduler.start(*tasks[0]) == Error());
    run(scheduler);
    CHECK(order.size() == 1000);
    CHECK(order.front() == 999);
    CHECK(order.back() == 0);
}

TEST_CASE("outside a fiber starting now only queues") {
    Scheduler scheduler;
    bool ran = false;
    Task child([&] { ran = true; });
    CHECK(scheduler.start_now(child) == Error());
    CHECK_FALSE(ran);
    run(scheduler);
    CHECK(ran);
}

TEST_CASE("starting now is no wait: a cancelled fiber can do it and is not interrupted by it") {
    Scheduler scheduler;
    in_fiber(scheduler, [&] {
        Task first([] {}), second([] {});
        scheduler.interrupt(*scheduler.running());
        CHECK(scheduler.start_now(first) == Error());
        CHECK(scheduler.yield() == std::errc::interrupted);
        scheduler.cancel(*scheduler.running());
        CHECK(scheduler.start_now(second) == Error());
        CHECK(second.dead());
    });
}

TEST_CASE("a starter that is cancelled by what it started notices at its next wait") {
    Scheduler scheduler;
    in_fiber(scheduler, [&] {
        Fiber* starter = scheduler.running();
        Task child([&] {
            CHECK(starter->state() == Fiber::State::ready);
            scheduler.cancel(*starter);
            scheduler.wake(*starter);
        });
        CHECK(scheduler.start_now(child) == Error());
        CHECK(scheduler.yield() == std::errc::operation_canceled);
    });
}

TEST_CASE("a fiber that starts others now without end yields like any other") {
    Scheduler scheduler;
    SocketPair pair(scheduler, SOCK_DGRAM);
    bool other_ran = false;
    int started = 0;
    spawn(scheduler, [&] {
        while (!other_ran && started < 1000) {
            CHECK(write(pair.left, "x") == Error());  // an operation that does not block
            CHECK(receive(pair.right) == text("x"));
            Task child([] {});
            CHECK(scheduler.start_now(child) == Error());
            ++started;
        }
    });
    spawn(scheduler, [&] { other_ran = true; });
    run(scheduler);
    CHECK(started <= 64);
}

TEST_CASE("a fiber for which there is no stack is not started and the caller goes on") {
    if (instrumented()) return;
    int status = in_child([] {
        Scheduler scheduler;
        WaitList list("test");
        limit_address_space(100 << 20);
        std::size_t spawned = 0;
        while (scheduler.spawn([&] { (void)scheduler.park(list); })) ++spawned;
        if (spawned < 64 || scheduler.fibers() != spawned) return 1;
        Task late([] {});
        if (scheduler.start(late) != std::errc::not_enough_memory) return 2;
        if (scheduler.start_now(late) != std::errc::not_enough_memory) return 3;
        if (late.state() != Fiber::State::fresh) return 4;
        if (scheduler.run_once()) return 5;
        scheduler.wake_all(list);
        if (scheduler.run()) return 6;
        return scheduler.start(late) || scheduler.run() || !late.dead() ? 7 : 0;
    });
    CHECK(exited_well(status));
}
