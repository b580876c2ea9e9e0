#include "runtime/hooks/call.hpp"

#include <pthread.h>

#include <array>
#include <atomic>

namespace coir::hooks {

namespace {

constexpr const char* names[] = {
#define COIR_NAME(name, result, parameters, arguments) #name,
    COIR_HOOKED(COIR_NAME)
#undef COIR_NAME
};

struct Counter {
    std::atomic<std::uint64_t> parked{0};
    std::atomic<std::uint64_t> passed{0};
};

std::array<Counter, std::size(names)> counters;
std::atomic<bool> on{true};
Host host;

// A child of fork() has the fibers and the poller of its parent: it must run neither.
[[maybe_unused]] const int at_fork = ::pthread_atfork(nullptr, nullptr, [] { enable(false); });

}  // namespace

void enable(bool whether) { on.store(whether, std::memory_order_relaxed); }
bool enabled() { return on.load(std::memory_order_relaxed); }
void set_host(const Host& new_host) { host = new_host; }

std::size_t count_of_hooks() { return counters.size(); }

Count count(std::size_t hook) {
    const Counter& counter = counters[hook];
    return {names[hook], counter.parked.load(std::memory_order_relaxed),
            counter.passed.load(std::memory_order_relaxed)};
}

Call::~Call() {
    Counter& counter = counters[static_cast<std::size_t>(hook_)];
    (parked_ ? counter.parked : counter.passed).fetch_add(1, std::memory_order_relaxed);
}

bool Call::in_fiber() {
    Scheduler* scheduler = Scheduler::current();
    if (scheduler == nullptr || scheduler->running() == nullptr || !enabled()) return false;
    if (host.may_wait != nullptr && !host.may_wait(*scheduler->running())) return false;
    scheduler_ = scheduler;
    return true;
}

Resolver* Call::resolver() {
    return host.resolver == nullptr ? nullptr : host.resolver(*scheduler_->running());
}

void Call::keep_pace() {
    if (scheduler_->checkpoint() == std::errc::interrupted) {
        scheduler_->interrupt(*scheduler_->running());
    }
}

}  // namespace coir::hooks
