// process.hpp: children for what nobody survives, limits, and what memory a process takes.
#pragma once

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "runtime/instrument.hpp"

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace coir::test {

// True when the poller runs on libkqueue, which imitates kqueue(2) on Linux: its descriptor cannot
// be polled, it reports no urgent data, and it takes the error of a socket away to report it with
// the event.
#if defined(__linux__) && __has_include(<sys/event.h>)
inline constexpr bool on_libkqueue = true;
#else
inline constexpr bool on_libkqueue = false;
#endif

// True under a sanitizer or valgrind: resident memory means nothing then, and long loops get
// shorter.
inline bool instrumented() {
#if defined(COIR_ASAN) || defined(__SANITIZE_THREAD__)
    return true;
#else
    return under_valgrind();
#endif
}

inline std::size_t scaled(std::size_t count, std::size_t divisor = 20) {
    return instrumented() ? count / divisor : count;
}

// Runs `function` in a child process, which ends with what it returns, or by SIGALRM when it hangs;
// returns the wait status.
template <class Function>
int in_child(Function function) {
    std::fflush(nullptr);
    pid_t child = ::fork();
    if (child == 0) {
        ::alarm(30);
        ::_exit(function());
    }
    int status = -1;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

// Leaves this process `more` bytes of address space to take; for children only.
inline void limit_address_space(std::size_t more) {
    unsigned long pages = 0;
    std::FILE* file = std::fopen("/proc/self/statm", "r");
    if (file == nullptr || std::fscanf(file, "%lu", &pages) != 1) ::_exit(99);
    std::fclose(file);
    rlimit limit{pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE)) + more, RLIM_INFINITY};
    ::setrlimit(RLIMIT_AS, &limit);
}

// While it lives, the process can open `spare` descriptors more. (The checks of a sanitizer need
// some themselves, so little should be done meanwhile.)
class DescriptorLimit {
public:
    explicit DescriptorLimit(rlim_t spare) {
        ::getrlimit(RLIMIT_NOFILE, &old_);
        rlimit tight{static_cast<rlim_t>(lowest_free()) + spare, old_.rlim_max};
        ::setrlimit(RLIMIT_NOFILE, &tight);
    }
    ~DescriptorLimit() { ::setrlimit(RLIMIT_NOFILE, &old_); }
    DescriptorLimit(const DescriptorLimit&) = delete;
    DescriptorLimit& operator=(const DescriptorLimit&) = delete;

    // The number that the next descriptor gets; the same twice: none was left open in between.
    static int lowest_free() {
        int fd = ::dup(0);
        ::close(fd);
        return fd;
    }

private:
    rlimit old_{};
};

inline std::size_t open_descriptors() {
    std::size_t count = 0;
    for (int fd = 0; fd < 1024; ++fd) count += ::fcntl(fd, F_GETFD) >= 0;
    return count;
}

inline bool exited_well(int status) { return WIFEXITED(status) && WEXITSTATUS(status) == 0; }

// What malloc has given out.
inline std::size_t allocated_bytes() {
#ifdef __GLIBC__
    struct mallinfo2 info = ::mallinfo2();
    return info.uordblks + info.hblkhd;
#else
    return 0;
#endif
}

inline std::size_t resident_bytes() {
    unsigned long total = 0, resident = 0;
    std::FILE* file = std::fopen("/proc/self/statm", "r");
    if (file == nullptr) return 0;
    if (std::fscanf(file, "%lu %lu", &total, &resident) != 2) resident = 0;
    std::fclose(file);
    return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace coir::test
