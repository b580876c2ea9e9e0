// scheduler_switch.cpp: the ways from one fiber to the next.
#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "runtime/context.hpp"
#include "runtime/instrument.hpp"
#include "runtime/prefetch.hpp"
#include "runtime/scheduler.hpp"

namespace coir {

// Leaves `from` for `to`, and returns when `from` is switched back to, never if that has left
// its stack for good; nullptr is the dispatcher.
inline void Scheduler::switch_context(Fiber* from, Fiber* to) {
    if (accounting_) [[unlikely]]
        account(from);
    left_ = from;
    running_ = to;
    stretch_.store((stretch() | 1) + (to == nullptr ? 1 : 2), std::memory_order_relaxed);
    if (to != nullptr) to->state_ = Fiber::State::running;
    void*& fake_stack = from == nullptr ? fake_stack_ : from->fake_stack_;
    before_switch(from != nullptr && from->leaves_stack_ ? nullptr : &fake_stack,
                  to == nullptr ? main_bottom_ : to->stack_.bottom,
                  to == nullptr ? main_size_ : to->stack_.size);
    void* context = jump(to == nullptr ? dispatcher_ : to->context_, to);
    arrived(context, fake_stack);
}

// On the stack that was entered: notes where the one that was left goes on, if it ever does.
inline void Scheduler::arrived(void* context, void* fake_stack) {
    if (left_ == nullptr) {
        dispatcher_ = context;
        after_switch(fake_stack, &main_bottom_, &main_size_);
    } else {
        left_->context_ = context;
        after_switch(fake_stack, nullptr, nullptr);
        if (left_->leaves_stack_) [[unlikely]]
            stack_is_free();
    }
}

// Charges the time since the last switch.
void Scheduler::account(Fiber* fiber) {
    Deadline now = Clock::now();
    if (fiber != nullptr) fiber->ran_ += now - switched_;
    switched_ = now;
}

[[gnu::always_inline]] inline void Scheduler::prefetch_frames(const Fiber& fiber,
                                                              std::size_t lines) {
    if (fiber.context_ != nullptr) prefetch(fiber.context_, lines);
    prefetch(fiber.waiter, 2);
}

// Asks the processor for what the fibers after the next one will touch: the innermost frames, the
// head of what waits there, and what the layer above has named. In a crowd all that is far away,
// and others run meanwhile. Nothing is looked at here that was not asked for before: first
// the fiber itself, then where the names are written. A fiber that names something goes on after
// longer work of others: it is asked for one switch ahead, and all others two.
[[gnu::always_inline]] inline void Scheduler::prefetch_turn() {
    if (turn_.empty()) return;
    Fiber& first = turn_.front();
    if (first.has_touched_) {
        prefetch_frames(first, 8);
        for (const Fiber::Touched& touched : first.touched_)
            prefetch(touched.address(), touched.lines());
    }
    Fiber* second = turn_.after(first);
    if (second == nullptr) return;
    if (second->has_touched_) {
        prefetch(&second->touched_, 2);
    } else {
        prefetch_frames(*second, 5);  // of a yield
    }
    Fiber* third = turn_.after(*second);
    if (third == nullptr) return;
    if (Fiber* fourth = turn_.after(*third)) prefetch(fourth, 2);
}

// Whether fibers that are ready again may run without the dispatcher in between.
inline bool Scheduler::another_turn() {
    bool nothing_else = timers_.empty() && external_ == 0 && held_ == 0 && !has_posted_;
    if (turns_ == 0 || ready_.empty() || !nothing_else) return false;
    --turns_;
    turn_.take_all(ready_);
    return true;
}

// Takes the fiber whose turn it is from its list; nullptr when it is the dispatcher's.
inline Fiber* Scheduler::first_ready() {
    if (!next_.empty()) [[unlikely]]
        return &next_.pop_front();
    if (turn_.empty() && !another_turn()) return nullptr;
    Fiber& fiber = turn_.pop_front();
    if (crowded()) [[unlikely]]  // out of the way of the few
        prefetch_turn();
    return &fiber;
}

// The same, with a stack.
inline Fiber* Scheduler::next_fiber() {
    Fiber* fiber = first_ready();
    bool has_none = fiber != nullptr && fiber->context_ == nullptr;
    return has_none ? mount(fiber) : fiber;
}

void Scheduler::set_up_stack(Fiber& fiber, Stack stack) {
    fiber.stack_ = stack;
    // Frames begin at different places of their pages: those that all lay at the same one would
    // compete for a small part of the processor's caches. By so many bytes less, those that a yield
    // touches fill whole cache lines: five.
    char* first_frame = stack.top() - 32 - fiber.id_ % 16 * 64;
    fiber.stack_id_ = register_stack(stack.bottom, first_frame);
    fiber.context_ =
        make_fcontext(first_frame, static_cast<std::size_t>(first_frame - stack.bottom),
                      [](transfer_t from) { enter(*static_cast<Fiber*>(from.data), from.fctx); });
}

// Gives the fiber one of the stacks that were reserved; out of the way of switches. Without memory
// for its guard page another fiber is next: it may give something back.
[[gnu::noinline]] Fiber* Scheduler::mount(Fiber* fiber) {
    while (fiber != nullptr && fiber->context_ == nullptr) {
        if (Result<Stack> stack = fiber->stack_pool_->allocate()) {
            set_up_stack(*fiber, *stack);
        } else {
            ready_.push_back(*fiber);
            fiber = first_ready();
        }
    }
    return fiber;
}

// Switches from the running fiber to another context, and returns when the fiber is resumed.
// Inline, because every frame less is one less to find in memory when a fiber goes on.
[[gnu::always_inline]] inline void Scheduler::leave(Fiber& fiber) {
    int saved_errno = errno;
    if (!departures_.empty()) [[unlikely]]
        finish_departures();
    ++fiber.switches_;
    Fiber* next = next_fiber();
    if (next != &fiber) {
        switch_context(&fiber, next);
    } else {
        fiber.state_ = Fiber::State::running;  // the only one that is ready
        stretch_.store(stretch() + 2, std::memory_order_relaxed);
    }
    errno = saved_errno;
}

void Scheduler::finish_departures() {
    while (!departures_.empty()) departures_.pop_front().departing();
}

// The first frame on every stack; never returns.
void Scheduler::enter(Fiber& first, void* left) {
    Scheduler& self = *first.scheduler_;
    self.arrived(left, nullptr);
    for (Fiber* fiber = &first;;) {
        errno = fiber->errno_;
        fiber->body();
        fiber->errno_ = errno;
        if (fiber->state_ == Fiber::State::running) {
            fiber->state_ = Fiber::State::dead;
            self.wake_all(fiber->joiners_);
            fiber->leaves_stack_ = true;
            self.leave(*fiber);
            std::abort();  // nobody comes back
        }
        fiber = &self.pass_stack_on(*fiber);
    }
}

// The fiber rests. Returns who goes on where it was, on the same stack: the next fiber, if that has
// none and its stacks come from the same pool. Otherwise switches to it, for good.
Fiber& Scheduler::pass_stack_on(Fiber& fiber) {
    if (!departures_.empty()) finish_departures();
    ++fiber.switches_;
    Fiber* next = first_ready();
    bool needs_stack = next != nullptr && next->context_ == nullptr;
    if (needs_stack && next->stack_pool_ == fiber.stack_pool_) {
        next->stack_ = std::exchange(fiber.stack_, {});
        next->stack_id_ = fiber.stack_id_;
        next->context_ = std::exchange(fiber.context_, nullptr);
    } else {
        if (needs_stack) next = mount(next);
        if (next != &fiber) {
            fiber.leaves_stack_ = true;
            switch_context(&fiber, next);
            std::abort();  // nobody comes back
        }
    }
    if (accounting_) [[unlikely]]
        account(&fiber);
    running_ = next;
    next->state_ = Fiber::State::running;
    stretch_.store(stretch() + 2, std::memory_order_relaxed);
    return *next;
}

// The fiber that has left its stack for good rests, or is dead.
[[gnu::noinline]] void Scheduler::stack_is_free() {
    Fiber& fiber = *left_;
    StackPool& stacks = *fiber.stack_pool_;
    Stack stack = std::exchange(fiber.stack_, {});
    deregister_stack(fiber.stack_id_);
    fiber.context_ = nullptr;
    fiber.leaves_stack_ = false;
    stacks.release(stack);
    if (!fiber.dead()) return;
    stacks.unreserve();
    fiber.ListHook<AliveTag>::unlink();
    --alive_count_;
    fiber.ended();
}

// -- To a fiber -----------------------------------------------------------------------------------

void Scheduler::run_ready() {
    turn_.take_all(ready_);
    while (Fiber* fiber = next_fiber()) switch_context(nullptr, fiber);
}

Error Scheduler::start_now(Fiber& fiber) {
    if (running_ == nullptr) return start(fiber);
    if (Error error = prepare(fiber)) return error;
    Fiber& caller = *running_;
    next_.push_front(caller);
    next_.push_front(fiber);
    caller.state_ = Fiber::State::ready;
    leave(caller);
    return {};
}

// -- Waiting --------------------------------------------------------------------------------------

// Goes to the end of the ready list, cancelled or not.
inline void Scheduler::requeue(Fiber& fiber) {
    fiber.state_ = Fiber::State::ready;
    fiber.operations_ = 0;
    ready_.push_back(fiber);
    leave(fiber);
}

// What a wait of the fiber fails with before it begins.
inline Error Scheduler::pending_error(Fiber& fiber) {
    return fiber.cancelled_ || fiber.interrupted_ ? take_pending_error(fiber) : Error();
}

Error Scheduler::take_pending_error(Fiber& fiber) {
    if (fiber.cancelled_) {
        // One that tries again and again must not keep the others from running.
        if (++fiber.operations_ >= operations_per_slice) requeue(fiber);
        return std::errc::operation_canceled;
    }
    fiber.interrupted_ = false;
    return std::errc::interrupted;
}

Error Scheduler::begin_park(WaitList& list, Deadline deadline) {
    assert(running_ != nullptr && "only a fiber can wait");
    Fiber& fiber = *running_;
    if (Error error = pending_error(fiber)) return error;
    if (deadline != never) {
        if (Error error = timers_.arm(fiber, deadline)) return error;
    }
    list.fibers_.push_back(fiber);
    external_ += list.external_;
    fiber.waiting_on_ = &list;
    fiber.waiting_since_ = coarse_now();
    fiber.waiting_until_ = deadline;
    fiber.state_ = Fiber::State::parked;
    fiber.operations_ = 0;
    return {};
}

Error Scheduler::park(WaitList& list, Deadline deadline) {
    Fiber& fiber = *running_;
    if (Error error = begin_park(list, deadline)) return error;
    leave(fiber);
    return end_park(fiber);
}

Error Scheduler::yield() {
    assert(running_ != nullptr && "only a fiber can wait");
    Fiber& fiber = *running_;
    if (Error error = pending_error(fiber)) return error;
    requeue(fiber);
    return pending_error(fiber);
}

// To wake at the moment asked for is no error.
Error Scheduler::sleep_until(Deadline deadline) {
    Error error = park(sleepers_, deadline);
    return error == std::errc::timed_out ? Error() : error;
}

Error Scheduler::join(Fiber& fiber, Deadline deadline) {
    if (&fiber == running_) return std::errc::resource_deadlock_would_occur;
    if (Error error = pending_error(*running_)) return error;
    return fiber.dead() ? Error() : park(fiber.joiners_, deadline);
}

// The rare half of checkpoint().
Error Scheduler::stop() {
    Error error = pending_error(*running_);
    return error ? error : yield();
}

}  // namespace coir
