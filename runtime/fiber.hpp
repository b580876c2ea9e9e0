// fiber.hpp: one line of execution with a C stack of its own, and the lists on which fibers wait.
//
// A fiber is in exactly one place: running, on the ready list, or parked on one wait list, perhaps
// with a deadline. A Fiber is owned by whoever made it and must stay where it is until it is dead;
// its stack belongs to a pool: it has one from its first turn on, and none while it rests. Only the
// scheduler moves a fiber.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/error.hpp"
#include "runtime/list.hpp"
#include "runtime/stack.hpp"
#include "runtime/timer_queue.hpp"

namespace coir {

class Fiber;
class Scheduler;
struct PlaceTag;  // the ready list or a wait list
struct AliveTag;  // the scheduler's list of all fibers

// The fibers that wait for one thing, first come first. A list that only other threads, signals or
// the kernel can wake is `external`: while somebody is on it, the scheduler is not deadlocked.
class WaitList {
public:
    explicit WaitList(const char* what, bool external = false, int fd = -1)
        : what_(what), external_(external), fd_(fd) {}

    const char* what() const { return what_; }  // "sleep", "read", …: for people
    bool external() const { return external_; }
    int fd() const { return fd_; }  // -1: none
    void set_fd(int fd) { fd_ = fd; }
    bool empty() const { return fibers_.empty(); }
    Fiber& front() { return fibers_.front(); }  // the list must not be empty

    // Whether somebody who knows only the fiber may end the wait, as if what it waits for had
    // happened: a sleep, a condition variable.
    bool wakeable() const { return wakeable_; }
    void set_wakeable() { wakeable_ = true; }

private:
    friend class Scheduler;
    List<Fiber, PlaceTag> fibers_;
    const char* what_;
    bool external_;
    bool wakeable_ = false;
    int fd_;
};

class Fiber : public ListHook<PlaceTag>, private Timer, public ListHook<AliveTag> {
public:
    enum class State : std::uint8_t { fresh, ready, running, parked, dead };

    // What the fiber is to the layer above, which part of it waits or waited last, and what runs
    // its body; nothing here looks at them.
    void* owner = nullptr;
    void* waiter = nullptr;
    void* runner = nullptr;

    // What the layer above touches first when the fiber goes on: the scheduler asks the processor's
    // cache for it ahead of the fiber's turn. Any addresses will do. Small: it is itself touched.
    class Touched {
    public:
        Touched() = default;
        Touched(const void* address, std::size_t lines)
            : place_((reinterpret_cast<std::uintptr_t>(address) & ~most_lines) | lines) {}
        const void* address() const { return reinterpret_cast<const void*>(place_ & ~most_lines); }
        std::size_t lines() const { return place_ & most_lines; }

    private:
        static constexpr std::uintptr_t most_lines = 63;
        std::uintptr_t place_ = 0;
    };
    using AllTouched = std::array<Touched, 7>;
    void set_touched(const AllTouched& touched) {
        touched_ = touched;
        has_touched_ = true;
    }

    Fiber() = default;
    virtual ~Fiber() = default;

    State state() const { return state_; }
    bool dead() const { return state_ == State::dead; }
    bool cancelled() const { return cancelled_; }
    bool interrupted() const { return interrupted_; }     // the next wait will fail with EINTR
    std::uint64_t id() const { return id_; }              // 0 before it was started
    std::uint64_t switches() const { return switches_; }  // how often it was left
    Duration ran() const { return ran_; }                 // while the scheduler did accounting
    const Stack& stack() const { return stack_; }
    std::size_t stack_size() const;  // bytes reserved for one, guard page included
    std::size_t stack_used() const;  // bytes in use when it was last left; 0 while it runs or rests

    const std::string& name() const { return name_; }
    void set_name(std::string name) { name_ = std::move(name); }

    // The name for people; a derived class may make one up in `room` when it is asked. Also called
    // by a signal handler.
    using NameRoom = std::array<char, 256>;
    virtual std::string_view shown_name(NameRoom&) const { return name_; }

    // Where and since when a parked fiber waits, and until when.
    const WaitList* waiting_on() const { return waiting_on_; }
    Deadline waiting_since() const { return waiting_since_; }
    Deadline waiting_until() const { return waiting_until_; }

protected:
    // The fiber's work, on its own stack. No exception may leave it. After
    // Scheduler::rest() it is called again.
    virtual void body() = 0;

    // Called once the fiber is dead, by whoever runs next and on its stack. Must not wait. May
    // destroy the fiber.
    virtual void ended() {}

private:
    friend class Scheduler;

    // What every switch touches comes first, to lie in few cache lines.
    // Boost.Context's fcontext_t while the fiber does not run; nullptr: it has no stack.
    void* context_ = nullptr;
    WaitList* waiting_on_ = nullptr;
    Deadline waiting_since_{};
    Deadline waiting_until_ = never;
    std::uint64_t switches_ = 0;
    Error woken_by_;
    unsigned operations_ = 0;  // since it last let others run
    State state_ = State::fresh;
    bool cancelled_ = false;
    bool interrupted_ = false;
    bool has_touched_ = false;
    bool leaves_stack_ = false;  // for good: whoever runs next gives it back

    AllTouched touched_;
    int errno_ = 0;  // C's, of a fiber without a stack
    unsigned stack_id_ = 0;
    Stack stack_;
    StackPool* stack_pool_ = nullptr;
    Scheduler* scheduler_ = nullptr;
    void* fake_stack_ = nullptr;
    Duration ran_{};
    std::uint64_t id_ = 0;
    WaitList joiners_{"join"};
    std::string name_;
};

inline std::size_t Fiber::stack_size() const {
    return stack_pool_ == nullptr ? 0 : stack_pool_->stack_size();
}

// A context is the stack pointer that it was left with.
inline std::size_t Fiber::stack_used() const {
    bool left = state_ == State::parked || state_ == State::ready;
    if (!left || context_ == nullptr) return 0;
    return static_cast<std::size_t>(stack_.top() - static_cast<char*>(context_));
}

}  // namespace coir
