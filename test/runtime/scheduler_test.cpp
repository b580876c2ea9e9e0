#include "runtime/scheduler.hpp"

#include "test/runtime/sockets.hpp"

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
        sleeper.work = [&] {
            log += scheduler.sleep_until(never) == std::errc::operation_canceled;
        };
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

TEST_CASE("a fiber may run on a stack of another pool") {
    StackPool large(4 << 20);
    Scheduler scheduler;
    Task task([] {
        char room[3 << 20];
        char* volatile escape = room;
        std::memset(escape, 1, sizeof room);
    });
    CHECK(Scheduler::reserve_stack(task, large) == Error());
    CHECK(scheduler.start(task) == Error());
    run(scheduler);
    CHECK(scheduler.stacks().slabs() == 0);
    CHECK(large.slabs() == 1);
    CHECK(large.in_use() == 0);
}

TEST_CASE("several turns follow one another only where nothing but fibers can act in between") {
    Scheduler scheduler;
    int turns = 0;
    bool stop = false;
    spawn(scheduler, [&] {
        while (!stop) {
            ++turns;
            if (turns == 7) scheduler.end_turns();
            (void)scheduler.yield();
        }
    });
    CHECK(scheduler.run_once(overdue()) == Error());
    CHECK(turns == 1);
    CHECK(scheduler.run_once(overdue(), 0) == Error());
    CHECK(turns == 2);
    CHECK(scheduler.run_once(overdue(), 3) == Error());
    CHECK(turns == 5);
    CHECK(scheduler.run_once(overdue(), 4) == Error());
    CHECK(turns == 7);
    scheduler.hold();
    CHECK(scheduler.run_once(overdue(), 4) == Error());
    CHECK(turns == 8);
    scheduler.release();
    spawn(scheduler, [&] { (void)scheduler.sleep_until(in_ms(1)); });
    CHECK(scheduler.run_once(overdue(), 4) == Error());
    CHECK(turns == 9);
    stop = true;
    run(scheduler);
}

TEST_CASE("a fiber that is dead is buried before the next one goes on") {
    Scheduler scheduler;
    spawn(scheduler, [] {});
    std::size_t in_use = 0;
    std::size_t alive = 0;
    spawn(scheduler, [&] {
        in_use = scheduler.stacks().in_use();
        alive = scheduler.fibers();
    });
    run(scheduler);
    CHECK(in_use == 1);
    CHECK(alive == 1);
}

TEST_CASE("what a function owns goes on the stack of its own fiber") {
    Scheduler scheduler;
    Fiber* at = nullptr;
    struct Note {
        Scheduler& scheduler;
        Fiber*& at;
        ~Note() { at = scheduler.running(); }
    };
    auto note = std::shared_ptr<Note>(new Note{scheduler, at});
    std::shared_ptr<Fiber> fiber = spawn(scheduler, [note = std::move(note)] {});
    run(scheduler);
    CHECK(at == fiber.get());
}
