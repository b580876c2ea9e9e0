#include <random>

#include "runtime/scheduler.hpp"
#include "test/runtime/fixtures.hpp"

using namespace coir;
using namespace coir::test;

namespace {

// Goes on without waiting until `moment` has passed.
void work_until(Deadline moment) {
    while (Clock::now() <= moment) {
    }
}

}  // namespace

TEST_CASE("fibers that sleep until the same moment wake in the order in which they lay down") {
    Scheduler scheduler;
    std::vector<int> order;
    Deadline moment = in_ms(2);
    for (int i = 0; i < 100; ++i) {
        spawn(scheduler, [&, i] {
            CHECK(scheduler.sleep_until(moment) == Error());
            order.push_back(i);
        });
    }
    run(scheduler);
    REQUIRE(order.size() == 100);
    for (int i = 0; i < 100; ++i) CHECK(order[static_cast<std::size_t>(i)] == i);
}

TEST_CASE("no sleep ends early, and those that end first come first") {
    Scheduler scheduler;
    std::mt19937 random(11);
    Deadline start = Clock::now();
    Deadline last = start;
    for (int i = 0; i < 500; ++i) {
        Deadline moment = start + std::chrono::microseconds(random() % 20'000);
        spawn(scheduler, [&, moment] {
            CHECK(scheduler.sleep_until(moment) == Error());
            CHECK(Clock::now() >= moment);
            if (moment >= Clock::now()) CHECK(moment >= last);
            last = moment;
        });
    }
    run(scheduler);
}

TEST_CASE("a sleep whose end has passed lets the others run once") {
    Scheduler scheduler;
    std::string log;
    spawn(scheduler, [&] {
        log += 'a';
        CHECK(scheduler.sleep_until(overdue()) == Error());
        log += 'c';
        CHECK(scheduler.sleep_until(Deadline::min()) == Error());
        log += 'd';
    });
    spawn(scheduler, [&] { log += 'b'; });
    run(scheduler);
    CHECK(log == "abcd");
}

TEST_CASE("a sleeper whose time came while another worked is next") {
    Scheduler scheduler;
    std::string log;
    Deadline moment = in_ms(2);
    spawn(scheduler, [&] {
        CHECK(scheduler.sleep_until(moment) == Error());
        log += 's';
    });
    spawn(scheduler, [&] {
        work_until(moment);
        CHECK(scheduler.yield() == Error());
        log += 'w';
        CHECK(scheduler.yield() == Error());
        log += 'w';
    });
    run(scheduler);
    CHECK((log == "wsw" || log == "sww"));
}

TEST_CASE("a wait that begins after long work does not end early for it") {
    Scheduler scheduler;
    in_fiber(scheduler, [&] {
        work_until(in_ms(5));
        Deadline moment = in_ms(2);
        CHECK(scheduler.sleep_until(moment) == Error());
        CHECK(Clock::now() >= moment);
    });
}

TEST_CASE("a parked fiber tells where, since when and until when it waits") {
    Scheduler scheduler;
    Deadline before = Clock::now() - std::chrono::milliseconds(20);  // the coarse clock is late
    Deadline until = in_ms(60'000);
    auto fiber = spawn(scheduler, [&] { (void)scheduler.sleep_until(until); });
    CHECK(fiber->waiting_on() == nullptr);
    CHECK(scheduler.run_once() == Error());
    REQUIRE(fiber->waiting_on() != nullptr);
    CHECK(std::string(fiber->waiting_on()->what()) == "sleep");
    CHECK(fiber->waiting_on()->wakeable());
    CHECK(fiber->waiting_on()->fd() == -1);
    CHECK(fiber->waiting_until() == until);
    CHECK(fiber->waiting_since() >= before);
    CHECK(fiber->waiting_since() <= Clock::now());
    scheduler.wake(*fiber);
    CHECK(fiber->waiting_on() == nullptr);
    run(scheduler);
}

TEST_CASE("a fiber that is woken from its sleep leaves no timer behind") {
    Scheduler scheduler;
    auto sleeper = spawn(scheduler, [&] {
        CHECK(scheduler.sleep_until(in_ms(60'000)) == Error());
        CHECK(Clock::now() < in_ms(30'000));
    });
    spawn(scheduler, [&] {
        CHECK(scheduler.yield() == Error());
        scheduler.wake(*sleeper);
    });
    run(scheduler);
    // A second run would report the deadlock at once, were the timer not gone.
    WaitList list("test");
    auto stuck = spawn(scheduler, [&] { (void)scheduler.park(list); });
    CHECK(scheduler.run() == std::errc::resource_deadlock_would_occur);
    scheduler.wake(*stuck);
    run(scheduler);
}

TEST_CASE("two hundred thousand sleeps with random ends come and go") {
    Scheduler scheduler;
    std::mt19937 random(4);
    std::size_t sleeps = 0, per_fiber = scaled(200, 20);
    for (int i = 0; i < 1000; ++i) {
        spawn(scheduler, [&] {
            for (std::size_t n = 0; n < per_fiber; ++n) {
                CHECK(scheduler.sleep_until(
                          Clock::now() + std::chrono::nanoseconds(random() % 50'000)) == Error());
                ++sleeps;
            }
        });
    }
    run(scheduler);
    CHECK(sleeps == 1000 * per_fiber);
}
