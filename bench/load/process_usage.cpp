// process_usage.cpp: CPU time from the process's clock, the rest from /proc.
//
// The clock of clock_getcpuclockid(3) counts nanoseconds and includes what is running now.
// /proc/P/stat counts in steps of 10 ms, and /proc/P/schedstat of one thread lags by up to a tick.

#include "bench/load/process_usage.hpp"

#include "bench/load/clock.hpp"

#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

#include <unistd.h>

namespace coir::bench {

static std::uint64_t switches_of_thread(const std::filesystem::path& status) {
    std::ifstream in(status);
    std::uint64_t sum = 0;
    for (std::string word; in >> word;) {
        std::uint64_t value = 0;
        if (word.find("voluntary_ctxt_switches:") != std::string::npos && in >> value) sum += value;
    }
    return sum;
}

static std::uint64_t switches(const std::filesystem::path& process) {
    std::uint64_t sum = 0;
    std::error_code error;
    std::filesystem::directory_iterator threads(process / "task", error);
    for (; !error && threads != std::filesystem::directory_iterator(); threads.increment(error)) {
        sum += switches_of_thread(threads->path() / "status");
    }
    return sum;
}

static std::uint64_t resident_bytes(const std::filesystem::path& process) {
    std::ifstream in(process / "statm");
    std::uint64_t size = 0;
    std::uint64_t resident = 0;
    in >> size >> resident;
    return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::optional<ProcessUsage> read_usage(pid_t pid) {
    clockid_t clock;
    timespec time;
    if (::clock_getcpuclockid(pid, &clock) != 0) return std::nullopt;
    if (::clock_gettime(clock, &time) != 0) return std::nullopt;
    std::filesystem::path process = "/proc/" + std::to_string(pid);
    return ProcessUsage{to_ns(time), switches(process), resident_bytes(process)};
}

}  // namespace coir::bench
