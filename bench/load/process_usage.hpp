// process_usage.hpp: what a process has used so far, as the kernel counts it.

#pragma once

#include <cstdint>
#include <optional>

#include <sys/types.h>

namespace coir::bench {

struct ProcessUsage {
    std::uint64_t cpu_ns = 0;            // user and system time of all threads, also ended ones
    std::uint64_t context_switches = 0;  // voluntary and forced, of the threads that live now
    std::uint64_t resident_bytes = 0;
};

// Nothing when there is no such process.
std::optional<ProcessUsage> read_usage(pid_t pid);

}  // namespace coir::bench
