// Fibers that wait without a stack.
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
            Error error = scheduler_.rest_until(deadlines_[rests_++]);
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
    CHECK(fiber.ends == std::vector<Error>{{}, {}});
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
    for (const auto& fiber : crowd) CHECK(fiber->ends == std::vector<Error>{{}, {}});
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
            CHECK(scheduler.rest_until(never) == Error());
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
            if (codes.size() == 1) (void)scheduler.rest_until(in_ms(1));
        }
        Scheduler& scheduler;
        std::vector<int> codes;
    } fiber(scheduler);
    CHECK(scheduler.start(fiber) == Error());
    spawn(scheduler, [] { errno = ENOENT; });
    run(scheduler);
    CHECK(fiber.codes == std::vector<int>{0, ERANGE});
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
