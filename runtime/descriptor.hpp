// descriptor.hpp: a descriptor that fibers wait for.
//
// The descriptor is non-blocking and is registered with the poller at the first wait: for reading,
// and for writing once somebody waits for that, since most connections take whatever is written.
// Every operation tries its system call first and waits only after EAGAIN; what the last call and
// the last event said is remembered, so that a direction known to be drained is not asked again
// before the kernel reports a change. Any number of fibers may wait. Close wakes them all and frees
// nothing: the Descriptor itself must outlive its waiters.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "runtime/scheduler.hpp"

namespace coir {

// A deadline that forbids waiting: the operation tries once and fails with EAGAIN.
inline constexpr Deadline immediate = Deadline::min();

enum class Direction : std::uint8_t { read = 1, write = 2 };

class Descriptor final : private Watcher {
public:
    // Directions in a mask.
    static constexpr unsigned readable = static_cast<unsigned>(Direction::read);
    static constexpr unsigned writable = static_cast<unsigned>(Direction::write);

    explicit Descriptor(Scheduler& scheduler) : scheduler_(scheduler) {}
    ~Descriptor() { (void)close(); }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;

    // Takes over `fd`, which must be non-blocking. `shared`: it has copies elsewhere that may
    // outlive it.
    void open(int fd, bool shared = false);
    bool is_open() const { return fd_ >= 0; }
    int fd() const { return fd_; }
    void share() { shared_ = true; }
    Scheduler& scheduler() const { return scheduler_; }

    // Closes the descriptor. Every wait on it ends with EBADF. Errors: EBADF when it is not open,
    // what close(2) reports; it is closed in any case.
    Error close();

    // Gives the number away without closing it. Waits on it end with EBADF.
    int detach();

    // Calls call(fd) until it succeeds, waiting for `direction` whenever it would block. Returns
    // what it returned. Suspends; a cancellation point (unless `deadline` is `immediate`). Errors:
    // ETIMEDOUT, ECANCELED, EINTR (interrupted), EBADF (closed meanwhile), EAGAIN (`immediate`),
    // those of the call.
    template <class Call>
    Result<std::size_t> retry(Direction direction, Deadline deadline, Call call);

    // The two halves of retry(), for callers that have to do something in between: wait until a
    // call is worth trying, and say that it would have blocked.
    Error await(Direction direction, Deadline deadline) {
        return promises(direction) ? Error() : await_event(direction, deadline);
    }
    void drained(Direction direction) { set(direction, false); }
    // Whether a call is worth trying now.
    bool promises(Direction direction) const { return fd_ >= 0 && get(direction) && !failure_; }

    // Whether a read is known to have to wait, and the beginning of that wait as
    // Scheduler::rest() does it, which says more.
    bool must_await_input() const { return fd_ >= 0 && !get(Direction::read); }
    Error rest(Deadline deadline);

    // The error that the poller took from the socket and that the next call in `direction` would
    // have reported; once. What arrived before it is read first.
    Error failure(Direction direction);

    // True once the peer has hung up, failed or sent urgent data: a short read may have more behind
    // it.
    bool hangup() const { return hangup_; }

    // Waits until one of the directions in the mask `wanted` is ready now, and returns which are.
    // Others run meanwhile even if one is ready at once. The kernel is asked; data that somebody
    // has buffered does not count. A descriptor that is closed meanwhile is ready in every
    // direction. Suspends; a cancellation point. Errors: ETIMEDOUT, ECANCELED, EINTR, EBADF when it
    // was closed before.
    Result<unsigned> wait(unsigned wanted, Deadline deadline);

    // Calls background->departing() whenever the kernel takes output again, and keeps the program
    // from ending meanwhile. nullptr: no longer.
    Error set_background(Departure* background);
    bool in_background() const { return background_ != nullptr; }

private:
    void ready(const Poller::Event& event) override;
    void prefetch_waiter() override;
    Error await_event(Direction direction, Deadline deadline);
    Error watch(unsigned directions);
    WaitList& list(unsigned wanted);
    void forget(int fd, bool closing);
    bool get(Direction direction) const { return (hints_ & static_cast<unsigned>(direction)) != 0; }
    void set(Direction direction, bool on) {
        auto bit = static_cast<unsigned>(direction);
        hints_ = static_cast<std::uint8_t>(on ? hints_ | bit : hints_ & ~bit);
    }

    // What an event and a read touch comes first, to lie in one cache line or two.
    Scheduler& scheduler_;
    int fd_ = -1;
    std::uint8_t hints_ = 0;    // the directions in which a call is worth trying
    std::uint8_t watched_ = 0;  // those of which the poller tells
    bool hangup_ = false;
    bool either_used_ = false;  // somebody has been on that list
    Error failure_;
    bool shared_ = false;
    Departure* background_ = nullptr;
    WaitList readers_{"read", true};
    WaitList either_{"wait", true};
    WaitList writers_{"write", true};
};

// Waits for a descriptor that belongs to somebody else, for example a C library, as
// Descriptor::wait() does for ours. Works for any open descriptor. Further errors: EBADF, EMFILE.
Result<unsigned> wait_foreign(Scheduler& scheduler, int fd, unsigned wanted, Deadline deadline);

template <class Call>
Result<std::size_t> Descriptor::retry(Direction direction, Deadline deadline, Call call) {
    if (deadline != immediate) {
        if (Error error = scheduler_.checkpoint()) return error;
    }
    for (;;) {
        if (Error error = await(direction, deadline)) return error;
        ssize_t n = call(fd_);
        if (n >= 0) return static_cast<std::size_t>(n);
        Error error = last_errno();
        if (error == std::errc::interrupted) continue;
        if (!would_block(error)) return error;
        drained(direction);
        if (deadline == immediate) return error;
    }
}

}  // namespace coir
