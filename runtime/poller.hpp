// poller.hpp: which descriptors became ready.
//
// One interface, one file for each kernel facility (poller_epoll.cpp, poller_kqueue.cpp); Meson
// chooses. Registrations are edge-triggered: an event says that something has changed since the
// last one. The poller knows descriptors and tokens, no fibers. All calls but wake() belong to one
// thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "runtime/clock.hpp"
#include "runtime/error.hpp"

namespace coir {

class Poller {
public:
    struct Event {
        std::uint64_t token;
        bool readable;
        bool writable;
        bool hangup;  // end of stream, error or urgent data: a short read does not mean drained
        Error error = {};  // what noticing it took from the socket: no call will report it now
    };

    Poller();
    ~Poller();
    Poller(const Poller&) = delete;
    Poller& operator=(const Poller&) = delete;

    // What creating the kernel object met (EMFILE, ENFILE, ENOMEM); nothing else works then.
    Error error() const { return error_; }

    // Reports from now on, starting with how it is now, what can be read from `fd` and, if
    // `writes`, whether it takes output. Errors: EPERM for a descriptor that is always ready (a
    // regular file), EEXIST, ENOMEM, ENOSPC, EBADF.
    Error add(int fd, std::uint64_t token, bool writes);

    // The same for output of a descriptor that was added without. Errors: ENOMEM.
    Error add_writes(int fd, std::uint64_t token);

    // Stops reporting `fd`. Not needed before its last copy is closed, if `closing_removes`.
    void remove(int fd);
    static const bool closing_removes;

    // Waits for events until `deadline`; one that has passed looks once. The events are valid until
    // the next call. An interruption by a signal or wake() returns none.
    Result<std::span<const Event>> wait(Deadline deadline);

    // Ends the current wait(), or else the next one. From any thread, and from a signal handler.
    void wake();

    // Readable whenever wait() would have something to report: for a foreign event loop.
    int fd() const;

private:
    struct Kernel;
    std::unique_ptr<Kernel> kernel_;
    Error error_;
};

}  // namespace coir
