// scheduler.hpp: the one class with the verbs. Spawn, park, wake, sleep, yield, join, cancel, run.
//
// run() is the dispatcher: it stays on its caller's stack. One turn polls the kernel (waiting there
// only when no fiber is ready), wakes every fiber whose timer is due, then runs the fibers that
// were ready when the turn began, first in, first out: a fiber that is left switches to the next
// one, the last one back to the dispatcher. Everything that waits is a loop around park(), and
// whatever wakes a fiber takes it off its list and its timer off the queue before it runs again:
// exactly one cause completes a wait.
//
// A scheduler belongs to the thread that runs it; only post() may be called from others. A process
// can have as many as it has threads.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <vector>

#include "runtime/block_pool.hpp"
#include "runtime/clock.hpp"
#include "runtime/error.hpp"
#include "runtime/fiber.hpp"
#include "runtime/function_fiber.hpp"
#include "runtime/poller.hpp"
#include "runtime/watcher.hpp"

namespace coir {

class Scheduler {
public:
    explicit Scheduler(std::size_t stack_size = StackPool::default_size);
    // Cancels what is still alive and gives it a few turns to end. A fiber that does not is left
    // parked for ever, with its stack.
    ~Scheduler();
    Scheduler(const Scheduler&) = delete;
    Scheduler& operator=(const Scheduler&) = delete;

    // What opening the poller met; run() returns it too.
    Error error() const { return poller_.error(); }

    // The scheduler that is running on this thread, or nullptr; the fiber that is running in it.
    static Scheduler* current();
    Fiber* running() const { return running_; }

    // -- Starting ---------------------------------------------------------------------------------

    // Gives `fiber` its id, if it has none yet; starting it does so too.
    void number(Fiber& fiber) {
        if (fiber.id_ == 0) fiber.id_ = ++last_id_;
    }

    // Queues `fiber`, which gets a stack when its turn comes. Errors: ENOMEM (address space for
    // stacks).
    Error start(Fiber& fiber);

    // The same, but the new fiber runs at once until it first waits; then the caller goes on.
    // Outside a fiber it is only queued. Does not count as a wait.
    Error start_now(Fiber& fiber);

    // Lets a new fiber run on stacks of `stacks`, which must outlive it. Starting a fiber does so
    // with the scheduler's own, if nobody has done it before; after this it cannot fail. Errors:
    // ENOMEM.
    static Error reserve_stack(Fiber& fiber, StackPool& stacks);
    // The same for a stack that the caller has reserved.
    static void use_reserved(Fiber& fiber, StackPool& stacks);

    // Runs `function` in a new fiber. The handle may be dropped at any time.
    template <class Function>
    Result<std::shared_ptr<Fiber>> spawn(Function function, std::string name = {});

    // -- Waiting: these suspend the running fiber and are cancellation points ---------------------

    // Parks the running fiber on `list`. Returns what wake() said: no error when what it waited for
    // has happened. Errors: ETIMEDOUT at `deadline`, ECANCELED when the fiber is or becomes
    // cancelled, EINTR after interrupt(), ENOMEM.
    Error park(WaitList& list, Deadline deadline = never);

    // Lets every ready fiber run once and looks into the kernel. Errors: ECANCELED, EINTR.
    Error yield();

    // Errors: ECANCELED, EINTR, ENOMEM; never ETIMEDOUT.
    Error sleep_until(Deadline deadline);

    // Begins park() for a fiber that needs no stack meanwhile and does not lie on it: its body()
    // must return at once, and is called again, perhaps on another stack, when the wait has ended;
    // rested() then says what park() would have. Errors: those of before the wait; nothing has
    // begun then.
    Error rest(WaitList& list, Deadline deadline) { return begin_park(list, deadline); }
    Error rested() { return end_park(*running_); }

    WaitList& sleepers() { return sleepers_; }  // on which sleep_until() parks

    // Whether there are so many fibers that the processor's caches do not hold them. To find a
    // stack of one's own in memory takes longer then than to begin on one that was just in use, so
    // who waits had better give it up; and it pays to ask for what is touched next.
    bool crowded() const { return alive_count_ >= crowd; }

    // Waits until `fiber` is dead. Errors: EDEADLK when it is the running fiber; those of park().
    Error join(Fiber& fiber, Deadline deadline = never);

    // What a wait would fail with at once: ECANCELED in a cancelled fiber, EINTR in an interrupted
    // one. Also the pacemaker of operations that rarely wait: one call in 64 yields, in a cancelled
    // fiber too, which may be trying again and again.
    Error checkpoint() { return proceeds() ? Error() : stop(); }

    // The half of it that waits for nothing: counts an operation, unless checkpoint() has more to
    // do.
    bool proceeds() {
        Fiber& fiber = *running_;
        if (fiber.cancelled_ || fiber.interrupted_) return false;
        if (fiber.operations_ + 1 >= operations_per_slice) return false;
        ++fiber.operations_;
        return true;
    }

    // Calls departure.departing() before the running fiber is next left, for whatever reason.
    void before_leaving(Departure& departure) {
        if (!departure.linked()) departures_.push_back(departure);
    }

    // Calls all of them now.
    void finish_departures();

    // -- Waking: these return at once -------------------------------------------------------------

    // Ends the wait of a parked fiber with `reason`; does nothing to any other fiber.
    void wake(Fiber& fiber, Error reason = {});
    void wake_all(WaitList& list, Error reason = {}) {
        while (wake_one(list, reason)) {
        }
    }
    // false: nobody waits
    bool wake_one(WaitList& list, Error reason = {}) {
        if (list.empty()) return false;
        wake(list.front(), reason);
        return true;
    }

    // Makes every current and later wait of `fiber` fail with ECANCELED.
    void cancel(Fiber& fiber);

    // Makes the current or else the next wait of `fiber` fail with EINTR, once.
    void interrupt(Fiber& fiber);

    // Calls `function` on the scheduler's thread, in its next turn, outside any fiber. From any
    // thread.
    void post(std::function<void()> function);

    // Ends a wait in the kernel. From any thread, and from a signal handler.
    void nudge() { poller_.wake(); }

    // Says that something other than a fiber (a thread, a host, the kernel) will wake somebody: it
    // is no deadlock meanwhile, and the kernel is polled. Nests.
    void hold() { ++held_; }
    void release() { --held_; }

    // -- Running ----------------------------------------------------------------------------------

    // Runs until nothing is left to do: no fiber and no hold(). Errors: EDEADLK when the fibers
    // that are left can never be woken; what the poller reports.
    Error run();

    // One turn. Waits in the kernel until `deadline` at most, and not at all when a fiber is ready.
    // As many as `turns` (at least one) at once when nothing but fibers that are ready can act in
    // between: no timer, no event and no other thread.
    Error run_once(Deadline deadline = never, unsigned turns = 1);
    static constexpr unsigned turns_in_a_row = 16;  // that run() asks for

    // Makes this turn the last one of run_once().
    void end_turns() { turns_ = 0; }

    // Measures the time that each fiber runs from now on (Fiber::ran()), at the price of reading
    // the clock twice per switch.
    void set_accounting(bool on) {
        accounting_ = on;
        switched_ = Clock::now();
    }
    bool accounting() const { return accounting_; }

    // Odd while a fiber runs, even in between; another number for each run of each fiber. From any
    // thread, and from a signal handler.
    std::uint64_t stretch() const { return stretch_.load(std::memory_order_relaxed); }

    std::size_t fibers() const { return alive_count_; }
    bool done() const { return alive_count_ == 0 && held_ == 0; }
    bool deadlocked() const;
    int fd() const { return poller_.fd(); }  // readable when run_once() has something to do
    template <class Visit>
    void for_each_fiber(Visit visit) {
        alive_.for_each(visit);
    }
    StackPool& stacks() { return stacks_; }
    BlockPool& blocks() { return blocks_; }  // for the buffers of this thread

    // -- Descriptors (floor 4) --------------------------------------------------------------------

    // Tells `watcher` of the events of `fd` until unwatch(), of output only if `writes` or after
    // watch_writes(). Errors: those of Poller::add.
    Error watch(int fd, Watcher& watcher, bool writes);
    Error watch_writes(int fd);
    // Forgets the watcher. `closing`: the descriptor is about to be closed and has no copies, so
    // the kernel forgets it by itself.
    void unwatch(int fd, bool closing);
    Watcher* watcher(int fd) const;

private:
    static constexpr unsigned operations_per_slice = 64;
    static constexpr std::size_t crowd = 256;

    struct Watch {
        Watcher* watcher = nullptr;
        std::uint32_t generation =
            0;  // an event of an earlier owner of the number is recognised by it
        std::uint64_t token(int fd) const {
            return std::uint64_t{generation} << 32 | static_cast<std::uint32_t>(fd);
        }
    };

    Error prepare(Fiber& fiber);
    Fiber* mount(Fiber* fiber);
    static void set_up_stack(Fiber& fiber, Stack stack);
    Error begin_park(WaitList& list, Deadline deadline);
    void switch_context(Fiber* from, Fiber* to);
    void arrived(void* context, void* fake_stack);
    void account(Fiber* fiber);
    static void prefetch_frames(const Fiber& fiber, std::size_t lines);
    void prefetch_turn();
    Fiber* first_ready();
    Fiber* next_fiber();
    bool another_turn();
    void leave(Fiber& fiber);
    [[noreturn]] static void enter(Fiber& first, void* left);
    Fiber& pass_stack_on(Fiber& fiber);
    void stack_is_free();
    Watcher* concerned(const Poller::Event& event) const;
    Error poll(Deadline deadline);
    void run_posted();
    void wake_due();
    void run_ready();
    Error pending_error(Fiber& fiber);
    Error stop();
    Error take_pending_error(Fiber& fiber);
    static Error end_park(Fiber& fiber) {
        if (fiber.woken_by_ == std::errc::interrupted) fiber.interrupted_ = false;
        return fiber.woken_by_;
    }
    void requeue(Fiber& fiber);

    StackPool stacks_;
    BlockPool blocks_;
    Poller poller_;
    TimerQueue timers_;
    List<Fiber, PlaceTag> ready_;
    List<Fiber, PlaceTag> turn_;  // those of the turn that have not run yet
    List<Fiber, PlaceTag> next_;  // run before them: start_now()
    List<Fiber, AliveTag> alive_;
    List<Departure, Departure> departures_;
    std::vector<Watch> watches_;
    WaitList sleepers_{"sleep"};

    Fiber* running_ = nullptr;
    Fiber* left_ = nullptr;       // the context before the last switch; nullptr: the dispatcher
    void* dispatcher_ = nullptr;  // the context of run_once() while a fiber runs
    Deadline switched_{};         // when that was, while accounting is on
    void* fake_stack_ = nullptr;
    const void* main_bottom_ = nullptr;
    std::size_t main_size_ = 0;
    std::atomic<std::uint64_t> stretch_{0};
    std::uint64_t last_id_ = 100;  // the first hundred are reserved, as in Tarantool
    std::size_t alive_count_ = 0;
    std::size_t external_ = 0;  // fibers parked on external lists
    std::size_t held_ = 0;
    unsigned turns_ = 0;  // that may still follow in this run_once()
    bool accounting_ = false;

    std::mutex posted_mutex_;
    std::vector<std::function<void()>> posted_;
    std::atomic<bool> has_posted_{false};
};

template <class Function>
Result<std::shared_ptr<Fiber>> Scheduler::spawn(Function function, std::string name) {
    try {
        auto fiber = std::make_shared<FunctionFiber<Function>>(std::move(function));
        fiber->set_name(std::move(name));
        if (Error error = start(*fiber)) return error;
        fiber->self = fiber;
        return std::shared_ptr<Fiber>(std::move(fiber));
    } catch (const std::bad_alloc&) {
        return std::errc::not_enough_memory;
    }
}

}  // namespace coir
