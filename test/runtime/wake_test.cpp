#include "runtime/scheduler.hpp"
#include "test/runtime/sockets.hpp"

using namespace coir;
using namespace coir::test;

TEST_CASE("waking wakes first who waited first") {
    Scheduler scheduler;
    WaitList list("test");
    std::string log;
    for (char letter : {'a', 'b', 'c'}) {
        spawn(scheduler, [&, letter] {
            CHECK(scheduler.park(list) == Error());
            log += letter;
        });
    }
    spawn(scheduler, [&] {
        CHECK(scheduler.wake_one(list));
        CHECK(scheduler.yield() == Error());
        CHECK(log == "a");
        scheduler.wake_all(list);
        CHECK(list.empty());
        CHECK_FALSE(scheduler.wake_one(list));
    });
    run(scheduler);
    CHECK(log == "abc");
}

TEST_CASE("a parked fiber is told the reason it was woken with") {
    Scheduler scheduler;
    WaitList list("test");
    auto fiber = spawn(scheduler, [&] {
        CHECK(scheduler.park(list) == std::errc::broken_pipe);
        CHECK(scheduler.park(list) == Error());
    });
    spawn(scheduler, [&] {
        scheduler.wake(*fiber, std::errc::broken_pipe);
        scheduler.wake(*fiber, std::errc::bad_file_descriptor);  // comes second: finds nobody
        CHECK(scheduler.yield() == Error());
        scheduler.wake_all(list);
        scheduler.wake_all(list, std::errc::bad_file_descriptor);
    });
    run(scheduler);
}

TEST_CASE("waking a fiber that does not wait does nothing, then or later") {
    Scheduler scheduler;
    WaitList list("test");
    Task dead([] {}), fresh([] {});
    CHECK(scheduler.start(dead) == Error());
    run(scheduler);
    scheduler.wake(dead);
    scheduler.wake(fresh);
    auto waiter = spawn(scheduler, [&] {
        scheduler.wake(*scheduler.running());
        CHECK(scheduler.park(list, overdue()) == std::errc::timed_out);
    });
    scheduler.wake(*waiter);
    run(scheduler);
    CHECK(scheduler.fibers() == 0);
    CHECK(fresh.state() == Fiber::State::fresh);
}

TEST_CASE("a park ends at its deadline and not before") {
    Scheduler scheduler;
    WaitList list("test");
    in_fiber(scheduler, [&] {
        Deadline deadline = in_ms(2);
        CHECK(scheduler.park(list, deadline) == std::errc::timed_out);
        CHECK(Clock::now() >= deadline);
        CHECK(list.empty());
        CHECK(scheduler.park(list, Deadline::min()) == std::errc::timed_out);
    });
}

TEST_CASE("a fiber that was woken at its deadline is woken once") {
    Scheduler scheduler;
    WaitList list("test");
    int wakes = 0;
    auto waiter = spawn(scheduler, [&] {
        CHECK(scheduler.park(list, overdue()) ==
              Error());  // the wake came before the clock was read
        ++wakes;
        CHECK(scheduler.park(list) == std::errc::broken_pipe);
        ++wakes;
    });
    spawn(scheduler, [&] { scheduler.wake(*waiter); });
    spawn(scheduler, [&] {
        for (int i = 0; i < 5; ++i) CHECK(scheduler.yield() == Error());
        CHECK(wakes == 1);
        scheduler.wake(*waiter, std::errc::broken_pipe);
    });
    run(scheduler);
    CHECK(wakes == 2);
}

TEST_CASE("whoever parks on a list while it is being woken waits for the next time") {
    Scheduler scheduler;
    WaitList list("test");
    int rounds = 0;
    spawn(scheduler, [&] {
        for (; rounds < 3; ++rounds) CHECK(scheduler.park(list) == Error());
    });
    spawn(scheduler, [&] {
        for (int i = 0; i < 3; ++i) {
            scheduler.wake_all(list);
            CHECK(scheduler.yield() == Error());
            CHECK(rounds == i + 1);
        }
    });
    run(scheduler);
}

TEST_CASE(
    "data, deadline and cancellation that come in one turn wake a reader once, for the data") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    Deadline deadline = in_ms(1);
    std::vector<Error> seen;
    auto reader = spawn(scheduler, [&] {
        Result<std::size_t> n = pair.left.fill_any(10, deadline);
        seen.push_back(n.error());
        if (n) CHECK(*n == 1);
        seen.push_back(scheduler.yield());
    });
    spawn(scheduler, [&] {
        send_raw(pair.right, "x");
        while (Clock::now() < deadline) {
        }
    });
    CHECK(scheduler.run_once() == Error());
    scheduler.post([&] {
        // Between the turns: by now the event waits in the kernel and the timer is due.
        scheduler.post([&] { scheduler.cancel(*reader); });
    });
    run(scheduler);
    REQUIRE(seen.size() == 2);
    CHECK(seen[0] == Error());
    CHECK(seen[1] == std::errc::operation_canceled);
}

TEST_CASE("cancellation that comes before data and deadline in a turn wins, and the data stays") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    Deadline deadline = in_ms(1);
    Error seen;
    auto reader = spawn(scheduler, [&] { seen = read_any(pair.left, 10, deadline).error; });
    spawn(scheduler, [&] {
        send_raw(pair.right, "x");
        while (Clock::now() < deadline) {
        }
        scheduler.cancel(*reader);
    });
    run(scheduler);
    CHECK(seen == std::errc::operation_canceled);
    in_fiber(scheduler, [&] { CHECK(read_any(pair.left) == text("x")); });
}

TEST_CASE("a deadline that comes with nothing else leaves the bytes for the next read") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    in_fiber(scheduler, [&] {
        CHECK(read_any(pair.left, 10, overdue()) == failure(std::errc::timed_out));
        send_raw(pair.right, "x");
        CHECK(read_any(pair.left, 10, overdue()) == text("x"));
        CHECK(read_any(pair.left, 10, overdue()) == failure(std::errc::timed_out));
    });
}

TEST_CASE("what is to be done before a fiber is left is done once, whatever it leaves for") {
    Scheduler scheduler;
    struct Last : Departure {
        void departing() override { ++calls; }
        int calls = 0;
    } last;
    WaitList list("test");
    Task child([] {});
    in_fiber(scheduler, [&] {
        scheduler.before_leaving(last);
        scheduler.before_leaving(last);
        CHECK(last.calls == 0);
        (void)scheduler.yield();
        CHECK(last.calls == 1);
        (void)scheduler.yield();
        CHECK(last.calls == 1);
        scheduler.before_leaving(last);
        (void)scheduler.park(list, overdue());
        CHECK(last.calls == 2);
        scheduler.before_leaving(last);
        CHECK(scheduler.start_now(child) == Error());
        CHECK(last.calls == 3);
        scheduler.before_leaving(last);
        scheduler.finish_departures();
        CHECK(last.calls == 4);
        scheduler.before_leaving(last);
    });
    CHECK(last.calls == 5);
}
