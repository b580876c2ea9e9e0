#include "runtime/fiber.hpp"

#include <cerrno>

#include "test/runtime/fixtures.hpp"

using namespace coir;
using namespace coir::test;

TEST_CASE("a fiber says in which state it is") {
    Scheduler scheduler;
    WaitList list("test");
    Fiber::State inside = Fiber::State::dead;
    Task* self = nullptr;
    Task task([&] {
        inside = self->state();
        CHECK(scheduler.running() == self);
        (void)scheduler.park(list);
    });
    self = &task;
    CHECK(task.state() == Fiber::State::fresh);
    CHECK(task.id() == 0);
    CHECK(scheduler.start(task) == Error());
    CHECK(task.state() == Fiber::State::ready);
    CHECK(scheduler.run_once() == Error());
    CHECK(inside == Fiber::State::running);
    CHECK(task.state() == Fiber::State::parked);
    CHECK(scheduler.running() == nullptr);
    scheduler.wake(task);
    CHECK(task.state() == Fiber::State::ready);
    run(scheduler);
    CHECK(task.dead());
    CHECK(task.ends == 1);
    CHECK(task.switches() == 2);
}

TEST_CASE("every fiber has a number of its own, and may have it before it starts") {
    Scheduler scheduler;
    Task a([] {}), b([] {});
    scheduler.number(b);
    std::uint64_t early = b.id();
    CHECK(early > 100);
    CHECK(scheduler.start(a) == Error());
    CHECK(scheduler.start(b) == Error());
    CHECK(b.id() == early);
    CHECK(a.id() == early + 1);
    run(scheduler);
    CHECK(a.id() == early + 1);
}

TEST_CASE("a spawned fiber has the name that it was given") {
    Scheduler scheduler;
    auto named = *scheduler.spawn([] {}, "worker");
    auto nameless = *scheduler.spawn([] {});
    CHECK(named->name() == "worker");
    CHECK(nameless->name() == "");
    run(scheduler);
}

TEST_CASE("errno belongs to the fiber") {
    Scheduler scheduler;
    for (int mine : {EPIPE, EBADF}) {
        spawn(scheduler, [&scheduler, mine] {
            CHECK(errno == 0);
            for (int i = 0; i < 3; ++i) {
                errno = mine;
                (void)scheduler.yield();
                CHECK(errno == mine);
                (void)scheduler.sleep_until(overdue());
                CHECK(errno == mine);
                Task task([] { errno = EINVAL; });
                (void)scheduler.start_now(task);
                CHECK(errno == mine);
            }
        });
    }
    run(scheduler);
}

TEST_CASE("what a fiber's function holds is gone once the fiber is dead and its handle dropped") {
    Scheduler scheduler;
    auto held = std::make_shared<int>(1);
    std::weak_ptr<int> watch = held;
    auto handle = spawn(scheduler, [held] {});
    held.reset();
    run(scheduler);
    CHECK(handle->dead());
    handle.reset();
    CHECK(watch.expired());
}

TEST_CASE("a handle may be dropped while its fiber runs") {
    Scheduler scheduler;
    auto held = std::make_shared<int>(1);
    std::weak_ptr<int> watch = held;
    (void)spawn(scheduler, [&scheduler, held = std::move(held)] {
        (void)scheduler.yield();
        CHECK(*held == 1);
    });
    CHECK_FALSE(watch.expired());
    run(scheduler);
    CHECK(watch.expired());
}

TEST_CASE("a fiber that is gone may be destroyed by its own end") {
    Scheduler scheduler;
    struct Last : Fiber {
        void body() override {}
        void ended() override { delete this; }
    };
    CHECK(scheduler.start(*new Last) == Error());
    run(scheduler);
    CHECK(scheduler.stacks().in_use() == 0);
}

TEST_CASE("a parked fiber says how much of its stack it uses") {
    Scheduler scheduler;
    WaitList list("test");
    Task shallow([&] { (void)scheduler.park(list); });
    Task deep([&] {
        char room[100'000];
        char* volatile escape = room;
        escape[0] = 1;
        (void)scheduler.park(list);
        escape[1] = escape[0];
    });
    CHECK(scheduler.start(shallow) == Error());
    CHECK(scheduler.start(deep) == Error());
    CHECK(scheduler.run_once() == Error());
    CHECK(shallow.stack_used() > 0);
    CHECK(shallow.stack_used() < 20'000);
    CHECK(deep.stack_used() > 100'000);
    CHECK(deep.stack_used() < 150'000);
    scheduler.wake_all(list);
    run(scheduler);
    CHECK(deep.stack_used() == 0);
}

TEST_CASE("the time that a fiber runs is measured when that is asked for") {
    Scheduler scheduler;
    auto work = [&] {
        for (int i = 0; i < 2; ++i) {
            Deadline end = Clock::now() + std::chrono::microseconds(200);
            while (Clock::now() < end) {
            }
            (void)scheduler.yield();
        }
    };
    Task unmeasured(work), measured(work);
    CHECK(scheduler.start(unmeasured) == Error());
    run(scheduler);
    CHECK(unmeasured.ran() == Duration::zero());
    scheduler.set_accounting(true);
    CHECK(scheduler.start(measured) == Error());
    run(scheduler);
    CHECK(measured.ran() >= std::chrono::microseconds(400));
}
