#include "runtime/timer_queue.hpp"

#include <map>
#include <random>

#include "test/runtime/fixtures.hpp"

using namespace coir;
using namespace coir::test;

namespace {

Deadline at(std::int64_t nanoseconds) { return Deadline(Duration(nanoseconds)); }

}  // namespace

TEST_CASE("an empty queue has nothing due, ever") {
    TimerQueue queue;
    CHECK(queue.empty());
    CHECK(queue.next() == never);
    CHECK(queue.pop_due(never) == nullptr);
}

TEST_CASE("timers come out earliest first") {
    TimerQueue queue;
    Timer a, b, c;
    CHECK(queue.arm(b, at(20)) == Error());
    CHECK(queue.arm(c, at(30)) == Error());
    CHECK(queue.arm(a, at(10)) == Error());
    CHECK(queue.size() == 3);
    CHECK(queue.next() == at(10));
    CHECK(queue.pop_due(at(100)) == &a);
    CHECK(queue.pop_due(at(100)) == &b);
    CHECK(queue.pop_due(at(100)) == &c);
    CHECK(queue.pop_due(at(100)) == nullptr);
}

TEST_CASE("no timer comes out before its deadline, and each does at it") {
    TimerQueue queue;
    Timer timer;
    CHECK(queue.arm(timer, at(10)) == Error());
    CHECK(queue.pop_due(at(9)) == nullptr);
    CHECK(timer.armed());
    CHECK(queue.pop_due(at(10)) == &timer);
    CHECK_FALSE(timer.armed());
}

TEST_CASE("the earliest and the latest deadline there are can be armed") {
    TimerQueue queue;
    Timer first, last;
    CHECK(queue.arm(last, Deadline::max()) == Error());
    CHECK(queue.arm(first, Deadline::min()) == Error());
    CHECK(queue.next() == Deadline::min());
    CHECK(queue.pop_due(Clock::now()) == &first);
    CHECK(queue.pop_due(Clock::now()) == nullptr);
    CHECK(queue.pop_due(never) == &last);
}

TEST_CASE("timers of one deadline come out in the order of arming") {
    TimerQueue queue;
    std::vector<Timer> timers(1000);
    Timer before, after;
    for (Timer& timer : timers) CHECK(queue.arm(timer, at(50)) == Error());
    CHECK(queue.arm(before, at(49)) == Error());
    CHECK(queue.arm(after, at(51)) == Error());
    CHECK(queue.pop_due(at(50)) == &before);
    for (Timer& timer : timers) REQUIRE(queue.pop_due(at(50)) == &timer);
    CHECK(queue.pop_due(at(50)) == nullptr);
}

TEST_CASE("a timer that is armed anew goes behind those of its deadline") {
    TimerQueue queue;
    Timer a, b;
    CHECK(queue.arm(a, at(1)) == Error());
    CHECK(queue.arm(b, at(1)) == Error());
    queue.cancel(a);
    CHECK(queue.arm(a, at(1)) == Error());
    CHECK(queue.pop_due(at(1)) == &b);
    CHECK(queue.pop_due(at(1)) == &a);
}

TEST_CASE("a cancelled timer leaves nothing behind, and cancelling twice does nothing") {
    TimerQueue queue;
    Timer a, b;
    CHECK(queue.arm(a, at(1)) == Error());
    CHECK(queue.arm(b, at(2)) == Error());
    queue.cancel(a);
    queue.cancel(a);
    CHECK_FALSE(a.armed());
    CHECK(queue.size() == 1);
    CHECK(queue.next() == at(2));
    queue.cancel(b);
    CHECK(queue.empty());
}

TEST_CASE("the queue agrees with an ordered map over random operations") {
    std::mt19937 random(7);
    TimerQueue queue;
    std::vector<Timer> timers(500);
    std::map<std::pair<Deadline, int>, Timer*> model;
    std::map<Timer*, std::pair<Deadline, int>> armed;
    int order = 0;
    for (std::size_t i = 0; i < scaled(200'000); ++i) {
        Timer* timer = &timers[random() % timers.size()];
        if (auto found = armed.find(timer); found != armed.end()) {
            queue.cancel(*timer);
            model.erase(found->second);
            armed.erase(found);
        } else {
            std::pair<Deadline, int> key{at(static_cast<std::int64_t>(random() % 100)), order++};
            REQUIRE(queue.arm(*timer, key.first) == Error());
            model[key] = timer;
            armed[timer] = key;
        }
        if (random() % 8 == 0 && !model.empty()) {
            auto first = model.begin();
            REQUIRE(queue.next() == first->first.first);
            REQUIRE(queue.pop_due(first->first.first) == first->second);
            armed.erase(first->second);
            model.erase(first);
        }
        REQUIRE(queue.size() == model.size());
    }
}

TEST_CASE("a million timers are armed, half of them cancelled, the rest come out in order") {
    std::size_t count = scaled(1'000'000);
    std::mt19937 random(1);
    TimerQueue queue;
    std::vector<Timer> timers(count);
    for (Timer& timer : timers) {
        REQUIRE(queue.arm(timer, at(static_cast<std::int64_t>(random() >> 4))) == Error());
    }
    CHECK(queue.size() == count);
    for (std::size_t i = 0; i < count; i += 2) queue.cancel(timers[i]);
    CHECK(queue.size() == count / 2);
    Deadline last = at(0);
    while (!queue.empty()) {
        Deadline next = queue.next();
        REQUIRE(next >= last);
        last = next;
        REQUIRE(queue.pop_due(next) != nullptr);
    }
}

TEST_CASE("a crowd of timers that is gone leaves no memory behind") {
    if (instrumented()) return;
    TimerQueue queue;
    std::vector<Timer> timers(1'000'000);
    std::size_t before = allocated_bytes();
    for (Timer& timer : timers) (void)queue.arm(timer, at(1));
    CHECK(allocated_bytes() > before + 20'000'000);
    for (Timer& timer : timers) queue.cancel(timer);
    CHECK(allocated_bytes() < before + 200'000);
}
