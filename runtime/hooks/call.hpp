// call.hpp: one call of a hooked function, from its first line to its last.
#pragma once

#include <cerrno>
#include <type_traits>

#include "runtime/hooks/hooks.hpp"
#include "runtime/hooks/library.hpp"
#include "runtime/scheduler.hpp"

namespace coir::hooks {

enum class Hook : unsigned {
#define COIR_NAME(name, result, parameters, arguments) name,
    COIR_HOOKED(COIR_NAME)
#undef COIR_NAME
};

// Inside the hooks a result is as the kernel's: negative values are errno codes.
template <class Result>
long kernel(Result result) {
    return result < 0 ? -static_cast<long>(errno) : static_cast<long>(result);
}

class Call {
public:
    explicit Call(Hook hook) : hook_(hook) {}
    ~Call();
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

    // Whether the call comes from a fiber that may wait. If not, it is the C library's business.
    bool in_fiber();

    // The rest is only for calls in a fiber.
    Scheduler& scheduler() { return *scheduler_; }
    const char* name() const { return count(static_cast<std::size_t>(hook_)).name; }

    // Parks the fiber on `list`. Returns 0 when it was woken, -ETIMEDOUT at the deadline, -EINTR
    // when the fiber was cancelled or interrupted meanwhile, -ECANCELED when it was before, and
    // -ENOMEM. The next wait in Lua raises.
    long park(WaitList& list, Deadline deadline) {
        return wait([&] { return scheduler_->park(list, deadline); });
    }

    // The same for another function that may park the fiber and returns an Error.
    template <class Wait>
    long wait(Wait wait);

    // The resolver for this call, or nullptr.
    Resolver* resolver();

    // For a call that had no need to wait: lets the other fibers run, now and then.
    void keep_pace();

    // The result as the C function's: -1 and errno, or the value and errno as it was before the
    // call.
    template <class Result>
    Result finish(long result) {
        errno = result < 0 ? static_cast<int>(-result) : errno_before_;
        return static_cast<Result>(result < 0 ? -1 : result);
    }

    // For a call that has looked around and is passed on after all.
    void restore_errno() { errno = errno_before_; }

private:
    Hook hook_;
    bool parked_ = false;
    int errno_before_ = errno;
    Scheduler* scheduler_ = nullptr;
};

template <class Wait>
long Call::wait(Wait wait) {
    Fiber& fiber = *scheduler_->running();
    if (fiber.cancelled() || fiber.interrupted()) {
        keep_pace();
        return -ECANCELED;
    }
    std::uint64_t switches = fiber.switches();
    Error error = wait();
    parked_ |= fiber.switches() != switches;
    if (error == std::errc::interrupted) scheduler_->interrupt(fiber);
    return error == std::errc::operation_canceled ? -EINTR : -static_cast<long>(error.code());
}

}  // namespace coir::hooks
