// fixtures.hpp: what the cases of the runtime share.
//
// Pairs of connected sockets, fibers whose checks may throw, whole operations in one call, and a child
// process for what nobody survives. Cases wait for events: a deadline that must pass is `overdue()`.
#pragma once

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/instrument.hpp"
#include "runtime/socket.hpp"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif

namespace doctest {

template <>
struct StringMaker<coir::Error> {
    static String convert(coir::Error error) {
        return error ? String(std::strerror(error.code())) : String("no error");
    }
};

template <>
struct StringMaker<std::errc> {
    static String convert(std::errc code) { return String(std::strerror(static_cast<int>(code))); }
};

}  // namespace doctest

namespace coir::test {

inline constexpr unsigned readable = static_cast<unsigned>(Direction::read);
inline constexpr unsigned writable = static_cast<unsigned>(Direction::write);

// True under a sanitizer or valgrind: resident memory means nothing then, and long loops get shorter.
inline bool instrumented() {
#if defined(COIR_ASAN) || defined(__SANITIZE_THREAD__)
    return true;
#elif defined(RUNNING_ON_VALGRIND)
    return RUNNING_ON_VALGRIND != 0;
#else
    return false;
#endif
}

inline std::size_t scaled(std::size_t count, std::size_t divisor = 20) {
    return instrumented() ? count / divisor : count;
}

// A deadline that has passed: a wait with it ends in the next turn, unless it is over before.
inline Deadline overdue() { return Clock::now() - std::chrono::seconds(1); }
inline Deadline in_ms(int ms) { return Clock::now() + std::chrono::milliseconds(ms); }

// A check that throws ends its fiber, not the program.
template <class Function>
std::shared_ptr<Fiber> spawn(Scheduler& scheduler, Function function) {
    auto guarded = [function = std::move(function)]() mutable {
        try {
            function();
        } catch (...) {
            FAIL_CHECK("the fiber was left by an exception");
        }
    };
    Result<std::shared_ptr<Fiber>> fiber = scheduler.spawn(std::move(guarded));
    REQUIRE(fiber);
    return *fiber;
}

inline void run(Scheduler& scheduler) { CHECK(scheduler.run() == Error()); }

// Runs `function` as a fiber, and everything that it starts, to the end.
template <class Function>
void in_fiber(Scheduler& scheduler, Function function) {
    spawn(scheduler, std::move(function));
    run(scheduler);
}

// A fiber that its test owns; counts how often it ended.
struct Task : Fiber {
    explicit Task(std::function<void()> function) : work(std::move(function)) {}
    void body() override { work(); }
    void ended() override { ++ends; }
    std::function<void()> work;
    int ends = 0;
};

// Suspends until `fiber` waits somewhere.
inline void until_parked(Scheduler& scheduler, const Fiber& fiber) {
    while (fiber.state() != Fiber::State::parked && !fiber.dead()) (void)scheduler.yield();
}

struct SocketPair {
    explicit SocketPair(Scheduler& scheduler, int type = SOCK_STREAM)
        : left(scheduler), right(scheduler) {
        REQUIRE(Socket::open_pair(left, right, AF_UNIX, type, 0) == Error());
    }
    Socket left, right;
};

inline Address loopback(std::uint16_t port = 0) {
    return *Address::inet(AF_INET, "127.0.0.1", port);
}

// A socket of `type` bound to a port of the kernel's choice; a stream also listens.
struct Bound {
    explicit Bound(Scheduler& scheduler, int type = SOCK_STREAM, int backlog = 1024)
        : socket(scheduler) {
        REQUIRE(socket.open(AF_INET, type, 0) == Error());
        REQUIRE(socket.bind(loopback()) == Error());
        if (type == SOCK_STREAM) REQUIRE(socket.listen(backlog) == Error());
        address = *socket.name();
    }
    Socket socket;
    Address address;
};

// Both ends of a TCP connection over the loopback device.
struct TcpPair {
    explicit TcpPair(Scheduler& scheduler) : left(scheduler), right(scheduler) {
        Bound listener(scheduler);
        int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        REQUIRE(::connect(fd, listener.address.data(), listener.address.size()) == 0);
        REQUIRE(left.adopt(fd, false) == Error());
        Address from;
        Result<int> accepted = listener.socket.accept(from, immediate);
        REQUIRE(accepted);
        REQUIRE(right.adopt(*accepted, false) == Error());
    }
    Socket left, right;
};

// A pipe that adopted sockets read and write.
struct Pipe {
    explicit Pipe(Scheduler& scheduler) : reader(scheduler), writer(scheduler) {
        int fds[2];
        REQUIRE(::pipe(fds) == 0);
        REQUIRE(reader.adopt(fds[0], false) == Error());
        REQUIRE(writer.adopt(fds[1], false) == Error());
    }
    Socket reader, writer;
};

// -- Whole operations --------------------------------------------------------------------------------

struct Outcome {
    std::string text;
    Error error;
    bool operator==(const Outcome&) const = default;
};

inline Outcome take(Socket& socket, Result<std::size_t> count) {
    if (!count) return {"", count.error()};
    std::string text(socket.buffered().substr(0, *count));
    socket.consume(*count);
    return {text, {}};
}

inline Outcome read(Socket& socket, std::size_t limit = SIZE_MAX, Deadline deadline = never) {
    return take(socket, socket.fill({limit, {}}, deadline));
}

inline Outcome read_any(Socket& socket, std::size_t limit = SIZE_MAX, Deadline deadline = never) {
    return take(socket, socket.fill_any(limit, deadline));
}

inline Outcome read_line(Socket& socket, std::vector<std::string_view> delimiters = {"\n"},
                         Deadline deadline = never, std::size_t limit = SIZE_MAX) {
    return take(socket, socket.fill({limit, delimiters}, deadline));
}

inline Error write(Socket& socket, std::string_view text, Deadline deadline = never) {
    std::size_t written = 0;
    return socket.write({&text, 1}, deadline, written);
}

inline Outcome receive(Socket& socket, std::size_t size = 0, Address* from = nullptr,
                       Deadline deadline = never) {
    Result<std::string_view> data = socket.receive(size, 0, from, deadline);
    if (!data) return {"", data.error()};
    std::string text(*data);
    socket.received();
    return {text, {}};
}

// Past the runtime, straight to the kernel.
inline void send_raw(const Socket& socket, std::string_view text, int flags = 0) {
    CHECK(::send(socket.fd(), text.data(), text.size(), flags) == static_cast<ssize_t>(text.size()));
}

// Fills what the kernel keeps for a connection; returns how many bytes it took.
inline std::size_t stuff(const Socket& socket) {
    static const std::string block(65536, 'x');
    std::size_t total = 0;
    for (ssize_t n; (n = ::send(socket.fd(), block.data(), block.size(), MSG_DONTWAIT)) > 0;) {
        total += static_cast<std::size_t>(n);
    }
    return total;
}

inline Outcome text(std::string text) { return {std::move(text), {}}; }
inline Outcome failure(std::errc code) { return {"", code}; }

// -- Processes and memory ----------------------------------------------------------------------------

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
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {}
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

// While it lives, the process can open `spare` descriptors more. (The checks of a sanitizer need some
// themselves, so little should be done meanwhile.)
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

namespace doctest {

template <>
struct StringMaker<coir::test::Outcome> {
    static String convert(const coir::test::Outcome& outcome) {
        std::string text = outcome.text.size() > 80 ? std::to_string(outcome.text.size()) + " bytes"
                                                    : '"' + outcome.text + '"';
        return String(text.c_str()) + ", " + StringMaker<coir::Error>::convert(outcome.error);
    }
};

}  // namespace doctest
