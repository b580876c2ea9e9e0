// clock.hpp: the steady clock, and points on it that end a wait.
#pragma once

#include <time.h>

#include <chrono>

namespace coir {

using Clock = std::chrono::steady_clock;
using Duration = std::chrono::nanoseconds;
using Deadline = Clock::time_point;

inline constexpr Deadline never = Deadline::max();

// The deadline `timeout` seconds from now. Zero and less mean now; infinity and what does not fit
// into the clock mean never. NaN is the caller's mistake and must have been refused before.
inline Deadline deadline_after(double timeout) {
    Deadline now = Clock::now();
    if (timeout <= 0) return now;
    constexpr double century = 100.0 * 365 * 86400;
    if (timeout >= century) return never;
    // Rounded up, so that a wait never ends before the time that was asked for.
    return now + Duration(static_cast<Duration::rep>(timeout * 1e9) + 1);
}

// The time to within a few milliseconds, for a fraction of the price: for reports, not for
// deadlines.
inline Deadline coarse_now() {
#ifdef CLOCK_MONOTONIC_COARSE
    timespec now;
    ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return Deadline(std::chrono::seconds(now.tv_sec) + Duration(now.tv_nsec));
#else
    return Clock::now();
#endif
}

inline double seconds_between(Deadline from, Deadline to) {
    return std::chrono::duration<double>(to - from).count();
}

}  // namespace coir
