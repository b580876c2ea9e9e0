// fixtures.hpp: what the cases of the runtime share.
//
// Fibers whose checks may throw, and deadlines: cases wait for events, and a deadline that must
// pass is `overdue()`. Sockets are in sockets.hpp, processes and memory in process.hpp.
#pragma once

#include <doctest/doctest.h>

#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/scheduler.hpp"
#include "test/runtime/process.hpp"

namespace doctest {

template <>
struct StringMaker<coir::Error> {
    static String convert(coir::Error error) {
        return error ? String(std::strerror(error.code())) : String("no error");
    }
};

template <>
struct StringMaker<std::errc> {
    static String convert(std::errc code) { return String(std::strerror(static_cast<int>(code))); }
};

}  // namespace doctest

namespace coir::test {

// A deadline that has passed: a wait with it ends in the next turn, unless it is over before.
inline Deadline overdue() { return Clock::now() - std::chrono::seconds(1); }
inline Deadline in_ms(int ms) { return Clock::now() + std::chrono::milliseconds(ms); }

// A check that throws ends its fiber, not the program.
template <class Function>
std::shared_ptr<Fiber> spawn(Scheduler& scheduler, Function function) {
    auto guarded = [function = std::move(function)]() mutable {
        try {
            function();
        } catch (...) {
            FAIL_CHECK("the fiber was left by an exception");
        }
    };
    Result<std::shared_ptr<Fiber>> fiber = scheduler.spawn(std::move(guarded));
    REQUIRE(fiber);
    return *fiber;
}

inline void run(Scheduler& scheduler) { CHECK(scheduler.run() == Error()); }

// Runs `function` as a fiber, and everything that it starts, to the end.
template <class Function>
void in_fiber(Scheduler& scheduler, Function function) {
    spawn(scheduler, std::move(function));
    run(scheduler);
}

// A fiber that its test owns; counts how often it ended.
struct Task : Fiber {
    explicit Task(std::function<void()> function) : work(std::move(function)) {}
    void body() override { work(); }
    void ended() override { ++ends; }
    std::function<void()> work;
    int ends = 0;
};

// Suspends until `fiber` waits somewhere.
inline void until_parked(Scheduler& scheduler, const Fiber& fiber) {
    while (fiber.state() != Fiber::State::parked && !fiber.dead()) (void)scheduler.yield();
}

}  // namespace coir::test
