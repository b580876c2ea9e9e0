#include "runtime/scheduler.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "runtime/prefetch.hpp"

namespace coir {

namespace {

constexpr Deadline long_ago = Deadline::min();
constexpr int farewell_turns = 100;

thread_local Scheduler* current_scheduler = nullptr;

class CurrentScope {
public:
    explicit CurrentScope(Scheduler* scheduler) : outer_(current_scheduler) {
        current_scheduler = scheduler;
    }
    ~CurrentScope() { current_scheduler = outer_; }
    CurrentScope(const CurrentScope&) = delete;
    CurrentScope& operator=(const CurrentScope&) = delete;

private:
    Scheduler* outer_;
};

}  // namespace

Scheduler::Scheduler(std::size_t stack_size) : stacks_(stack_size) { sleepers_.set_wakeable(); }

Scheduler::~Scheduler() {
    for (int turn = 0; turn < farewell_turns && alive_count_ > 0; ++turn) {
        alive_.for_each([this](Fiber& fiber) { cancel(fiber); });
        if (run_once(long_ago)) break;
    }
    alive_.for_each([](Fiber& fiber) { fiber.ListHook<AliveTag>::unlink(); });
}

Scheduler* Scheduler::current() { return current_scheduler; }

// -- Starting -------------------------------------------------------------------------------------

Error Scheduler::start(Fiber& fiber) {
    if (Error error = prepare(fiber)) return error;
    ready_.push_back(fiber);
    return {};
}

Error Scheduler::reserve_stack(Fiber& fiber, StackPool& stacks) {
    if (Error error = stacks.reserve()) return error;
    use_reserved(fiber, stacks);
    return {};
}

void Scheduler::use_reserved(Fiber& fiber, StackPool& stacks) { fiber.stack_pool_ = &stacks; }

Error Scheduler::prepare(Fiber& fiber) {
    assert(fiber.state_ == Fiber::State::fresh && fiber.scheduler_ == nullptr);
    if (fiber.stack_pool_ == nullptr) {
        if (Error error = reserve_stack(fiber, stacks_)) return error;
    }
    number(fiber);
    fiber.scheduler_ = this;
    fiber.state_ = Fiber::State::ready;
    alive_.push_back(fiber);
    ++alive_count_;
    return {};
}

// -- Waking ---------------------------------------------------------------------------------------

void Scheduler::wake(Fiber& fiber, Error reason) {
    if (fiber.state_ != Fiber::State::parked) return;
    external_ -= fiber.waiting_on_->external_;
    fiber.waiting_on_ = nullptr;
    fiber.woken_by_ = reason;
    if (fiber.armed()) timers_.cancel(fiber);
    fiber.ListHook<PlaceTag>::unlink();
    fiber.state_ = Fiber::State::ready;
    ready_.push_back(fiber);
}

void Scheduler::cancel(Fiber& fiber) {
    fiber.cancelled_ = true;
    wake(fiber, std::errc::operation_canceled);
}

void Scheduler::interrupt(Fiber& fiber) {
    fiber.interrupted_ = true;
    wake(fiber, std::errc::interrupted);
}

void Scheduler::post(std::function<void()> function) {
    {
        std::lock_guard lock(posted_mutex_);
        posted_.push_back(std::move(function));
        has_posted_ = true;
    }
    nudge();
}

// -- Running --------------------------------------------------------------------------------------

bool Scheduler::deadlocked() const {
    return alive_count_ > 0 && ready_.empty() && timers_.empty() && external_ == 0 && held_ == 0 &&
           !has_posted_;
}

Error Scheduler::run() {
    while (!done()) {
        if (Error error = run_once(never, turns_in_a_row)) return error;
    }
    return {};
}

Error Scheduler::run_once(Deadline deadline, unsigned turns) {
    assert(running_ == nullptr && "the dispatcher does not run inside a fiber");
    CurrentScope scope(this);
    if (Error error = poller_.error()) return error;
    if (deadlocked()) return std::errc::resource_deadlock_would_occur;
    if (has_posted_) run_posted();
    if (Error error = poll(ready_.empty() ? deadline : long_ago)) return error;
    if (has_posted_) run_posted();
    wake_due();
    turns_ = std::max(turns, 1U) - 1;
    run_ready();
    return {};
}

// Who watches the descriptor of the event; nullptr when it is an event of an earlier owner.
inline Watcher* Scheduler::concerned(const Poller::Event& event) const {
    auto fd = static_cast<std::uint32_t>(event.token);
    auto generation = static_cast<std::uint32_t>(event.token >> 32);
    if (fd >= watches_.size() || watches_[fd].generation != generation) return nullptr;
    return watches_[fd].watcher;
}

// Nobody waits for the kernel and there is no need to wait in it: then there is nothing to ask it.
Error Scheduler::poll(Deadline deadline) {
    if (deadline == long_ago && external_ == 0 && held_ == 0) return {};
    Result<std::span<const Poller::Event>> events =
        poller_.wait(std::min(deadline, timers_.next()));
    if (!events) return events.error();
    constexpr std::size_t ahead = 4;
    auto watcher_of = [&](std::size_t i) {
        return i < events->size() ? concerned((*events)[i]) : nullptr;
    };
    for (std::size_t i = 0; i < events->size(); ++i) {
        if (Watcher* later = watcher_of(i + 2 * ahead)) prefetch(later, 2);
        if (Watcher* soon = watcher_of(i + ahead)) soon->prefetch_waiter();
        if (Watcher* watcher = watcher_of(i)) watcher->ready((*events)[i]);
    }
    return {};
}

void Scheduler::run_posted() {
    std::vector<std::function<void()>> functions;
    {
        std::lock_guard lock(posted_mutex_);
        functions.swap(posted_);
        has_posted_ = false;
    }
    for (std::function<void()>& function : functions) function();
}

// The clock is read here, not taken from the poll: what a callback or the kernel took has passed.
void Scheduler::wake_due() {
    if (timers_.empty()) return;
    Deadline now = Clock::now();
    while (Timer* timer = timers_.pop_due(now)) {
        wake(static_cast<Fiber&>(*timer), std::errc::timed_out);
    }
}

}  // namespace coir
