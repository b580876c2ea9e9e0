// interest.hpp: what one call waits for: any number of descriptors that belong to somebody else.
#pragma once

#include <span>

#include "runtime/hooks/call.hpp"

namespace coir::hooks {

// The descriptors are watched, level-triggered, by an epoll instance of the call's own, and the
// scheduler watches that. So the same descriptor can be waited for by any number of fibers, and be
// a socket of coir's too. What cannot be watched (no descriptor is left, a queue of another socket
// is full) is looked at again every ten milliseconds.
class Interest final : private Watcher {
public:
    // `fd`: the descriptor that reports name, or -1.
    Interest(Call& call, int fd);
    ~Interest();
    Interest(const Interest&) = delete;
    Interest& operator=(const Interest&) = delete;

    // Adds what poll(2) is given for the same purpose. To be called before the first wait.
    void add(std::span<const pollfd> entries);

    // From now on wait() returns every ten milliseconds.
    void look_again() { ticking_ = true; }

    // Waits until it is time to look again. Results: those of Call::park().
    long wait(Deadline deadline);

private:
    void ready(const Poller::Event&) override { call_.scheduler().wake_all(list_); }

    Call& call_;
    int epoll_;
    bool watched_ = false;
    bool ticking_ = false;
    WaitList list_;
};

// Waits until look(), which is like a system call that never waits, returns something but 0, and
// returns that; 0 after `deadline`.
template <class Look>
long wait_until(Interest& interest, Deadline deadline, Look look) {
    for (;;) {
        long waited = interest.wait(deadline);
        if (waited != 0 && waited != -ETIMEDOUT) return waited;
        long found = look();
        if (found != 0 || waited == -ETIMEDOUT) return found;
    }
}

}  // namespace coir::hooks
