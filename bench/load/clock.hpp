// clock.hpp: the time of the load generator, in nanoseconds of the monotonic clock.
//
// The generator shares no code with the runtime that it measures, so it has its own.

#pragma once

#include <cstdint>
#include <ctime>

namespace coir::bench {

inline std::uint64_t to_ns(const timespec& time) {
    return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 +
           static_cast<std::uint64_t>(time.tv_nsec);
}

inline std::uint64_t now_ns() {
    timespec time;
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return to_ns(time);
}

inline std::uint64_t seconds_to_ns(double seconds) {
    return static_cast<std::uint64_t>(seconds * 1e9);
}

}  // namespace coir::bench
