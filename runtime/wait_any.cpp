#include "runtime/wait_any.hpp"

#include "runtime/descriptor.hpp"
#include "runtime/platform.hpp"

namespace coir {

namespace {

// How many are ready at this moment.
Result<std::size_t> ready_now(std::span<pollfd> entries) {
    int count = ::poll(entries.data(), static_cast<nfds_t>(entries.size()), 0);
    if (count < 0) {
        if (errno == EINTR) return std::size_t{0};
        return last_errno();
    }
    for (const pollfd& entry : entries) {
        if (entry.revents & POLLNVAL) return std::errc::bad_file_descriptor;
    }
    return static_cast<std::size_t>(count);
}

}  // namespace

// A group of its own, which knows just these descriptors, is what the fiber waits for: the
// scheduler's poller has each descriptor only once, and may have these for somebody else.
Result<std::size_t> wait_any(Scheduler& scheduler, std::span<pollfd> entries, Deadline deadline) {
    if (Error error = scheduler.checkpoint()) return error;
    Result<std::size_t> ready = ready_now(entries);
    if (!ready) return ready;
    if (*ready > 0 || deadline <= Clock::now()) {
        if (Error error = scheduler.yield()) return error;
        return *ready > 0 ? ready : ready_now(entries);
    }
    int fd = open_group(entries);
    if (fd < 0) return last_errno();
    Descriptor group(scheduler);
    group.open(fd);
    for (;;) {
        Result<unsigned> changed = group.wait(Descriptor::readable, deadline);
        if (!changed && changed.error() != std::errc::timed_out) return changed.error();
        ready = ready_now(entries);
        if (!ready || *ready > 0 || !changed) return ready;
    }
}

}  // namespace coir
