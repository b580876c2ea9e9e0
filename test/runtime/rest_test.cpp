// Fibers that wait without a stack.
#include <unistd.h>

#include <algorithm>

#include "runtime/socket.hpp"
#include "test/runtime/fixtures.hpp"

using namespace coir;
using namespace coir::test;

namespace {

// Rests until each of some deadlines, and keeps what every rest ended with.
class Resting : public Fiber {
public:
    Resting(Scheduler& scheduler, std::vector<Deadline> deadlines)
        : scheduler_(scheduler), deadlines_(std::move(deadlines)) {}
    explicit Resting(Scheduler& scheduler) : Resting(scheduler, {never}) {}

    std::vector<Error> ends;
    std::function<void()> before_rest = [] {};

private:
    void body() override {
        if (rests_ > ends.size()) ends.push_back(scheduler_.rested());
        while (ends.size() < deadlines_.size()) {
            before_rest();
            Error error = scheduler_.rest(scheduler_.sleepers(), deadlines_[rests_++]);
            if (!error) return;
            ends.push_back(error);
        }
    }

    Scheduler& scheduler_;
    std::vector<Deadline> deadlines_;
    std::size_t rests_ = 0;
};

}  // namespace

TEST_CASE("a fiber that rests has no stack, and goes on at its deadline") {
    Scheduler scheduler;
    Deadline deadline = in_ms(2);
    Resting fiber(scheduler, {deadline, overdue()});
    CHECK(scheduler.start(fiber) == Error());
    CHECK(scheduler.run_once(overdue()) == Error());
    CHECK(fiber.state() == Fiber::State::parked);
    CHECK(scheduler.stacks().in_use() == 0);
    CHECK(fiber.stack_used() == 0);
    CHECK(fiber.stack_size() == scheduler.stacks().stack_size());
    CHECK(fiber.waiting_on()->what() == std::string("sleep"));
    run(scheduler);
    CHECK(Clock::now() >= deadline);
    CHECK(fiber.dead());
    CHECK(fiber.ends == std::vector<Error>(2, std::errc::timed_out));
}

TEST_CASE("a crowd that rests shares a few stacks") {
    Scheduler scheduler;
    std::vector<std::unique_ptr<Resting>> crowd;
    Deadline deadline = in_ms(1);
    for (int i = 0; i < 10'000; ++i) {
        crowd.push_back(std::make_unique<Resting>(scheduler, std::vector{deadline, overdue()}));
        CHECK(scheduler.start(*crowd.back()) == Error());
    }
    std::size_t before = resident_bytes();
    run(scheduler);
    for (const auto& fiber : crowd)
        CHECK(fiber->ends == std::vector<Error>(2, std::errc::timed_out));
    if (!instrumented()) CHECK(resident_bytes() < before + (4 << 20));
    CHECK(scheduler.stacks().slabs() <= 2);
}

TEST_CASE("a rest ends like every other sleep") {
    Scheduler scheduler;
    Resting woken(scheduler), interrupted(scheduler), cancelled(scheduler);
    for (Resting* fiber : {&woken, &interrupted, &cancelled})
        CHECK(scheduler.start(*fiber) == Error());
    CHECK(scheduler.run_once(overdue()) == Error());
    scheduler.wake(woken);
    scheduler.interrupt(interrupted);
    scheduler.cancel(cancelled);
    run(scheduler);
    CHECK(woken.ends == std::vector<Error>{{}});
    CHECK(interrupted.ends == std::vector<Error>{std::errc::interrupted});
    CHECK_FALSE(interrupted.interrupted());
    CHECK(cancelled.ends == std::vector<Error>{std::errc::operation_canceled});
}

TEST_CASE("a rest does not begin in a cancelled or interrupted fiber") {
    Scheduler scheduler;
    Resting fiber(scheduler, {never, never});
    fiber.before_rest = [&] {
        if (fiber.ends.empty()) {
            scheduler.interrupt(fiber);
        } else {
            scheduler.cancel(fiber);
        }
    };
    CHECK(scheduler.start(fiber) == Error());
    run(scheduler);
    CHECK(fiber.ends == std::vector<Error>{std::errc::interrupted, std::errc::operation_canceled});
}

TEST_CASE("a fiber that is woken while it is left for its rest goes on") {
    Scheduler scheduler;
    Resting fiber(scheduler);
    struct Waking : Departure {
        Waking(Scheduler& of, Fiber& whom) : scheduler(of), fiber(whom) {}
        void departing() override { scheduler.wake(fiber); }
        Scheduler& scheduler;
        Fiber& fiber;
    } waking(scheduler, fiber);
    fiber.before_rest = [&] { scheduler.before_leaving(waking); };
    CHECK(scheduler.start(fiber) == Error());
    run(scheduler);
    CHECK(fiber.ends == std::vector<Error>{{}});
}

TEST_CASE("a fiber that is woken before its body has returned goes on") {
    Scheduler scheduler;
    struct Awake : Fiber {
        explicit Awake(Scheduler& of) : scheduler(of) {}
        void body() override {
            if (++calls == 2) return;
            CHECK(scheduler.rest(scheduler.sleepers(), never) == Error());
            scheduler.wake(*this);
        }
        Scheduler& scheduler;
        int calls = 0;
    } fiber(scheduler);
    CHECK(scheduler.start(fiber) == Error());
    spawn(scheduler, [] {});
    run(scheduler);
    CHECK(fiber.calls == 2);
    CHECK(scheduler.stacks().in_use() == 0);
}

TEST_CASE("errno outlives a rest") {
    Scheduler scheduler;
    struct Failing : Fiber {
        explicit Failing(Scheduler& of) : scheduler(of) {}
        void body() override {
            codes.push_back(errno);
            errno = ERANGE;
            if (codes.size() == 1) (void)scheduler.rest(scheduler.sleepers(), in_ms(1));
        }
        Scheduler& scheduler;
        std::vector<int> codes;
    } fiber(scheduler);
    CHECK(scheduler.start(fiber) == Error());
    spawn(scheduler, [] { errno = ENOENT; });
    run(scheduler);
    CHECK(fiber.codes == std::vector<int>{0, ERANGE});
}

TEST_CASE("who rests leaves its stack to the next fiber that has none") {
    Scheduler scheduler;
    Resting first(scheduler, {in_ms(1), overdue()}), second(scheduler, {in_ms(1), overdue()});
    std::vector<char*> bottoms;
    for (Resting* fiber : {&first, &second}) {
        fiber->before_rest = [&bottoms, &scheduler] {
            bottoms.push_back(scheduler.running()->stack().bottom);
            CHECK(scheduler.stacks().in_use() == 1);
        };
        CHECK(scheduler.start(*fiber) == Error());
    }
    run(scheduler);
    CHECK(bottoms == std::vector<char*>(4, bottoms.front()));
    CHECK(first.switches() == 3);
    CHECK(second.switches() == 3);
}

TEST_CASE("a stack is left only to fibers of its pool") {
    Scheduler scheduler;
    StackPool others(64 * 1024);
    Resting first(scheduler, {in_ms(1), overdue()}), second(scheduler, {in_ms(1), overdue()});
    CHECK(Scheduler::reserve_stack(second, others) == Error());
    std::vector<std::size_t> sizes;
    for (Resting* fiber : {&first, &second}) {
        fiber->before_rest = [&sizes, fiber] { sizes.push_back(fiber->stack().size); };
        CHECK(scheduler.start(*fiber) == Error());
    }
    run(scheduler);
    std::sort(sizes.begin(), sizes.end());
    auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));  // of the guard
    std::vector<std::size_t> wanted(2, 64 * 1024 - page);
    wanted.resize(4, StackPool::default_size - page);
    CHECK(sizes == wanted);
    CHECK(others.in_use() == 0);
    CHECK(scheduler.stacks().in_use() == 0);
}

TEST_CASE("fibers that rest and fibers that keep their stacks take turns") {
    Scheduler scheduler;
    Resting resting(scheduler, std::vector<Deadline>(5, overdue()));
    CHECK(scheduler.start(resting) == Error());
    int turns = 0;
    spawn(scheduler, [&] {
        while (!resting.dead()) {
            CHECK(scheduler.yield() == Error());
            ++turns;
        }
    });
    run(scheduler);
    CHECK(resting.ends.size() == 5);
    CHECK(turns >= 5);
}

TEST_CASE("the time of a fiber that rests is its own") {
    Scheduler scheduler;
    scheduler.set_accounting(true);
    Resting first(scheduler, {in_ms(1), overdue()}), second(scheduler, {in_ms(1), overdue()});
    first.before_rest = [] {
        for (Deadline end = in_ms(2); Clock::now() < end;) {
        }
    };
    CHECK(scheduler.start(first) == Error());
    CHECK(scheduler.start(second) == Error());
    run(scheduler);
    CHECK(first.ran() >= std::chrono::milliseconds(4));
    CHECK(second.ran() > Duration::zero());
}

TEST_CASE("who rests can be waited for") {
    Scheduler scheduler;
    Resting fiber(scheduler, {in_ms(1)});
    bool joined = false;
    CHECK(scheduler.start(fiber) == Error());
    spawn(scheduler, [&] {
        CHECK(scheduler.join(fiber) == Error());
        joined = true;
    });
    run(scheduler);
    CHECK(joined);
}

TEST_CASE("a fiber rests until its socket has input") {
    Scheduler scheduler;
    Socket socket(scheduler), peer(scheduler);
    struct Reading : Fiber {
        Reading(Scheduler& of, Socket& from) : scheduler(of), socket(from) {}
        void body() override {
            if (rested) {
                if (Error error = socket.rested()) return ends.push_back(error);
                ends.push_back({});
                Result<std::size_t> n = socket.fill_any(SIZE_MAX, never);
                CHECK(n);
                text += socket.buffered();
                socket.consume(*n);
            }
            if (text == "all") return;
            socket.descriptor().drained(Direction::read);
            CHECK(socket.must_await_input());
            rested = true;
            CHECK(socket.rest(never) == Error());
            CHECK_FALSE(socket.must_await_input());
        }
        Scheduler& scheduler;
        Socket& socket;
        bool rested = false;
        std::vector<Error> ends;
        std::string text;
    };
    SUBCASE("what arrives wakes it, and nobody else reads meanwhile") {
        Reading fiber(scheduler, socket);
        CHECK(Socket::open_pair(socket, peer, AF_UNIX, SOCK_STREAM, 0) == Error());
        CHECK_FALSE(socket.must_await_input());
        CHECK(scheduler.start(fiber) == Error());
        spawn(scheduler, [&] {
            CHECK(scheduler.stacks().in_use() == 1);
            CHECK(socket.fill_any(1, never).error() == std::errc::device_or_resource_busy);
            for (const char* piece : {"a", "ll"}) {
                CHECK(peer.send(piece, 0, nullptr, never));
                std::size_t before = fiber.ends.size();
                while (fiber.ends.size() == before) CHECK(scheduler.yield() == Error());
            }
        });
        run(scheduler);
        CHECK(fiber.text == "all");
        CHECK(fiber.ends == std::vector<Error>(2));
    }
    SUBCASE("closing it ends the rest") {
        Reading fiber(scheduler, socket);
        CHECK(Socket::open_pair(socket, peer, AF_UNIX, SOCK_STREAM, 0) == Error());
        CHECK(scheduler.start(fiber) == Error());
        spawn(scheduler, [&] { CHECK(socket.close() == Error()); });
        run(scheduler);
        CHECK(fiber.ends == std::vector<Error>{std::errc::bad_file_descriptor});
    }
    SUBCASE("a rest that cannot begin leaves the socket free") {
        Reading fiber(scheduler, socket);
        CHECK(Socket::open_pair(socket, peer, AF_UNIX, SOCK_STREAM, 0) == Error());
        in_fiber(scheduler, [&] {
            socket.descriptor().drained(Direction::read);
            scheduler.cancel(*scheduler.running());
            CHECK(socket.rest(never) == std::errc::operation_canceled);
            CHECK_FALSE(socket.in_use());
            CHECK(socket.must_await_input());
        });
    }
}
