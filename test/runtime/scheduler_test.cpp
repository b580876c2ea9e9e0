#include "runtime/scheduler.hpp"

#include <cerrno>

#include "test/runtime/fixtures.hpp"

using namespace coir;
using namespace coir::test;

TEST_CASE("fibers begin in the order in which they were spawned") {
    Scheduler scheduler;
    std::string log;
    for (char letter : {'a', 'b', 'c'}) spawn(scheduler, [&log, letter] { log += letter; });
    CHECK(log == "");
    CHECK(scheduler.fibers() == 3);
    run(scheduler);
    CHECK(log == "abc");
    CHECK(scheduler.fibers() == 0);
}

TEST_CASE("running without a fiber returns at once") {
    Scheduler scheduler;
    run(scheduler);
    CHECK(scheduler.run_once(overdue()) == Error());
}

TEST_CASE("yield lets every ready fiber run once, first in, first out") {
    Scheduler scheduler;
    std::string log;
    for (char letter : {'a', 'b', 'c'}) {
        spawn(scheduler, [&, letter] {
            for (int i = 0; i < 3; ++i) {
                log += letter;
                CHECK(scheduler.yield() == Error());
            }
        });
    }
    run(scheduler);
    CHECK(log == "abcabcabc");
}

TEST_CASE("a turn runs the fibers that were ready when it began, and no other") {
    Scheduler scheduler;
    std::string log;
    spawn(scheduler, [&] {
        log += 'a';
        spawn(scheduler, [&] { log += 'c'; });
    });
    spawn(scheduler, [&] { log += 'b'; });
    CHECK(scheduler.run_once() == Error());
    CHECK(log == "ab");
    CHECK(scheduler.run_once() == Error());
    CHECK(log == "abc");
}

TEST_CASE("a fiber that yields goes on while another waits for a descriptor") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    Outcome seen;
    spawn(scheduler, [&] { seen = read_any(pair.left); });
    in_fiber(scheduler, [&] {
        for (int i = 0; i < 10; ++i) CHECK(scheduler.yield() == Error());
        CHECK(write(pair.right, "x") == Error());
    });
    CHECK(seen == text("x"));
}

TEST_CASE("a fiber that yields for ever does not keep events from others") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    bool done = false;
    spawn(scheduler, [&] {
        CHECK(read_any(pair.left) == text("x"));
        done = true;
    });
    spawn(scheduler, [&] {
        for (int i = 0; i < 5; ++i) (void)scheduler.yield();
        send_raw(pair.right, "x");
        while (!done) (void)scheduler.yield();
    });
    run(scheduler);
    CHECK(done);
}

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

TEST_CASE("the scheduler that runs on this thread is known inside its fibers only") {
    Scheduler outer, inner;
    CHECK(Scheduler::current() == nullptr);
    in_fiber(outer, [&] {
        CHECK(Scheduler::current() == &outer);
        in_fiber(inner, [&] { CHECK(Scheduler::current() == &inner); });
        CHECK(Scheduler::current() == &outer);
        CHECK(outer.yield() == Error());
        CHECK(Scheduler::current() == &outer);
    });
    CHECK(Scheduler::current() == nullptr);
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

TEST_CASE("for_each_fiber visits every fiber that is alive") {
    Scheduler scheduler;
    WaitList list("test");
    for (int i = 0; i < 3; ++i) spawn(scheduler, [&] { (void)scheduler.park(list); });
    spawn(scheduler, [] {});
    CHECK(scheduler.run_once() == Error());
    std::vector<std::uint64_t> ids;
    scheduler.for_each_fiber([&](Fiber& fiber) { ids.push_back(fiber.id()); });
    CHECK(ids == std::vector<std::uint64_t>{101, 102, 103});
    scheduler.wake_all(list);
    run(scheduler);
}

TEST_CASE("a scheduler that goes cancels what is alive and lets it end") {
    std::string log;
    Task sleeper([] {}), fresh([] {});
    {
        Scheduler scheduler;
        sleeper.work = [&] { log += scheduler.sleep_until(never) == std::errc::operation_canceled; };
        fresh.work = [&] { log += scheduler.yield() == std::errc::operation_canceled; };
        CHECK(scheduler.start(sleeper) == Error());
        CHECK(scheduler.run_once() == Error());
        CHECK(scheduler.start(fresh) == Error());
    }
    CHECK(sleeper.dead());
    CHECK(fresh.dead());
    CHECK(log == "\1\1");
}

TEST_CASE("a scheduler goes even though a fiber will not") {
    int status = in_child([] {
        Task stubborn([] {});
        Scheduler scheduler;
        WaitList list("test");
        stubborn.work = [&] {
            for (;;) (void)scheduler.park(list);
        };
        return scheduler.start(stubborn) || scheduler.run_once() ? 1 : 0;
    });
    CHECK(exited_well(status));
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

TEST_CASE("run_once returns at its deadline and not before") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    spawn(scheduler, [&] { CHECK(read(pair.left) == text("")); });
    CHECK(scheduler.run_once(overdue()) == Error());
    CHECK(scheduler.run_once(overdue()) == Error());
    Deadline deadline = in_ms(2);
    CHECK(scheduler.run_once(deadline) == Error());
    CHECK(Clock::now() >= deadline);
    CHECK(scheduler.fibers() == 1);
    (void)pair.right.close();
    run(scheduler);
}

TEST_CASE("a fiber that overruns its stack dies by its guard page and does no harm") {
    struct Deep {
        static int dive(volatile char* above, int depth) {
            volatile char room[1024];
            room[0] = above[0];
            return depth == 0 ? 0 : dive(room, depth - 1) + room[0];
        }
    };
    int status = in_child([] {
        ::signal(SIGSEGV, SIG_DFL);
        Scheduler scheduler(64 * 1024);
        char start[1] = {};
        (void)scheduler.spawn([&] { ::_exit(Deep::dive(start, 1000) + 1); });
        return scheduler.run() ? 2 : 3;
    });
    CHECK(WIFSIGNALED(status));
}
