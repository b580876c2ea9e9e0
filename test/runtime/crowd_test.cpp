#include "runtime/scheduler.hpp"
#include "test/runtime/sockets.hpp"

using namespace coir;
using namespace coir::test;

TEST_CASE("an operation that never blocks yields after 64 of them") {
    Scheduler scheduler;
    bool other_ran = false;
    in_fiber(scheduler, [&] {
        spawn(scheduler, [&] { other_ran = true; });
        int operations = 0;
        while (!other_ran && operations < 1000) {
            CHECK(scheduler.checkpoint() == Error());
            ++operations;
        }
        CHECK(operations == 64);
    });
}

TEST_CASE("a busy connection does not starve another") {
    Scheduler scheduler;
    SocketPair busy(scheduler), quiet(scheduler);
    bool done = false;
    spawn(scheduler, [&] {
        CHECK(read_any(quiet.left) == text("x"));
        done = true;
    });
    spawn(scheduler, [&] {
        CHECK(write(quiet.right, "x") == Error());
        int rounds = 0;
        for (; !done && rounds < 10'000; ++rounds) {
            CHECK(write(busy.left, "y") == Error());
            CHECK(read_any(busy.right) == text("y"));
        }
        CHECK(rounds < 200);
    });
    run(scheduler);
}

TEST_CASE("ten thousand fibers are parked at once, each where it belongs") {
    Scheduler scheduler(64 * 1024);
    WaitList list("test");
    std::size_t count = scaled(10'000, 10), sum = 0;
    for (std::size_t i = 0; i < count; ++i) {
        spawn(scheduler, [&, i] {
            std::size_t mine = i;
            CHECK(scheduler.park(list) == Error());
            sum += mine;
        });
    }
    CHECK(scheduler.run_once() == Error());
    CHECK(scheduler.fibers() == count);
    CHECK(scheduler.stacks().in_use() == count);
    scheduler.wake_all(list);
    run(scheduler);
    CHECK(sum == count * (count - 1) / 2);
}

TEST_CASE("a parked fiber costs little resident memory") {
    if (instrumented()) return;
    Scheduler scheduler;
    WaitList list("test");
    std::size_t before = resident_bytes();
    for (int i = 0; i < 10'000; ++i)
        spawn(scheduler, [&] { CHECK(scheduler.park(list) == Error()); });
    CHECK(scheduler.run_once() == Error());
    CHECK(resident_bytes() - before < 10'000u * 6 * 1024);
    scheduler.wake_all(list);
    run(scheduler);
}

TEST_CASE("a hundred thousand fibers come and go, and memory is back") {
    Scheduler scheduler;
    std::size_t count = scaled(100'000), per_wave = 10'000, ended = 0;
    auto wave = [&](std::size_t size) {
        for (std::size_t i = 0; i < size; ++i) {
            spawn(scheduler, [&] {
                (void)scheduler.yield();
                ++ended;
            });
        }
        run(scheduler);
    };
    wave(300);
    std::size_t before = resident_bytes();
    std::size_t slabs = scheduler.stacks().slabs();
    for (std::size_t done = 0; done < count; done += per_wave) wave(std::min(per_wave, count));
    CHECK(ended >= count);
    CHECK(scheduler.stacks().in_use() == 0);
    CHECK(scheduler.stacks().slabs() <= slabs + 2);
    if (!instrumented()) CHECK(resident_bytes() < before + (4 << 20));
}

TEST_CASE("a hundred thousand fibers one after the other use one stack") {
    Scheduler scheduler;
    std::size_t count = scaled(100'000), ended = 0;
    in_fiber(scheduler, [&] {
        for (std::size_t i = 0; i < count; ++i) {
            Task task([&] { ++ended; });
            CHECK(scheduler.start(task) == Error());
            CHECK(scheduler.join(task) == Error());
        }
    });
    CHECK(ended == count);
    CHECK(scheduler.stacks().slabs() == 1);
}
