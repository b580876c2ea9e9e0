#include "bindings/watch.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdio>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>

#include "bindings/lua_fiber.hpp"
#include "runtime/stack_overflow.hpp"

namespace coir {

namespace {

// -- System calls ---------------------------------------------------------------------------------

struct SystemCall {
    long number;
    const char* name;
};

#define COIR_CALL(name) \
    SystemCall { SYS_##name, #name }

// Those that can take long. The others are told by their number.
constexpr SystemCall system_calls[] = {
    COIR_CALL(read),
    COIR_CALL(write),
    COIR_CALL(readv),
    COIR_CALL(writev),
    COIR_CALL(pread64),
    COIR_CALL(pwrite64),
    COIR_CALL(preadv),
    COIR_CALL(pwritev),
    COIR_CALL(openat),
    COIR_CALL(close),
    COIR_CALL(fstat),
    COIR_CALL(newfstatat),
    COIR_CALL(statx),
    COIR_CALL(fsync),
    COIR_CALL(fdatasync),
    COIR_CALL(sync),
    COIR_CALL(syncfs),
    COIR_CALL(msync),
    COIR_CALL(flock),
    COIR_CALL(fcntl),
    COIR_CALL(ioctl),
    COIR_CALL(ftruncate),
    COIR_CALL(fallocate),
    COIR_CALL(sendfile),
    COIR_CALL(splice),
    COIR_CALL(copy_file_range),
    COIR_CALL(getdents64),
    COIR_CALL(unlinkat),
    COIR_CALL(renameat2),
    COIR_CALL(mmap),
    COIR_CALL(munmap),
    COIR_CALL(madvise),
    COIR_CALL(futex),
    COIR_CALL(wait4),
    COIR_CALL(waitid),
    COIR_CALL(nanosleep),
    COIR_CALL(clock_nanosleep),
    COIR_CALL(ppoll),
    COIR_CALL(pselect6),
    COIR_CALL(epoll_pwait),
    COIR_CALL(recvfrom),
    COIR_CALL(recvmsg),
    COIR_CALL(sendto),
    COIR_CALL(sendmsg),
    COIR_CALL(connect),
    COIR_CALL(accept),
    COIR_CALL(accept4),
    COIR_CALL(rt_sigtimedwait),
    COIR_CALL(rt_sigsuspend),
    COIR_CALL(semtimedop),
    COIR_CALL(msgrcv),
    COIR_CALL(mq_timedreceive),
    COIR_CALL(io_getevents),
    COIR_CALL(io_uring_enter),
    COIR_CALL(getrandom),
#ifdef SYS_poll  // not on architectures that began later
    COIR_CALL(poll),
    COIR_CALL(select),
    COIR_CALL(epoll_wait),
    COIR_CALL(open),
    COIR_CALL(stat),
    COIR_CALL(lstat),
    COIR_CALL(unlink),
    COIR_CALL(rename),
    COIR_CALL(pause),
#endif
};

constexpr long no_system_call = -1;

// The system call that the thread is in, as the kernel tells in its file of the thread.
long system_call_of(const std::string& path) {
    int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return no_system_call;
    char text[64];
    ssize_t size = ::read(fd, text, sizeof text);
    ::close(fd);
    long number = no_system_call;
    if (size > 0) std::from_chars(text, text + size, number);  // "running" stays no number
    return number;
}

// -- What the two threads share -------------------------------------------------------------------

struct Watch {
    Scheduler* scheduler = nullptr;
    Duration limit{};
    pthread_t thread{};  // the one that is watched
    std::string path;
    std::atomic<std::uint64_t> stretch{0};  // the one to be reported
    std::atomic<Deadline::rep> since{0};
    std::atomic<long> system_call{no_system_call};
};

Watch watch;

// -- Reporting, on the watched thread -------------------------------------------------------------

void write_number(long long number) {
    char digits[24];
    auto [end, error] = std::to_chars(digits, digits + sizeof digits, number);
    write_stderr({digits, static_cast<std::size_t>(end - digits)});
}

void write_system_call(long number) {
    if (number == no_system_call) return;
    write_stderr(", in system call ");
    for (const SystemCall& call : system_calls) {
        if (call.number == number) return write_stderr(call.name);
    }
    write_number(number);
}

int print_traceback(lua_State* L) {
    LuaFiber& fiber = *running_fiber(L);
    Deadline since{Duration(watch.since.load())};
    luaL_traceback(L, L, nullptr, 1);
    push_fiber_name(L, fiber);
    std::fprintf(stderr, "coir: fiber %llu (%s) kept the thread for %.0f ms\n%s\n",
                 static_cast<unsigned long long>(fiber.id()), lua_tostring(L, -1),
                 seconds_between(since, Clock::now()) * 1e3, lua_tostring(L, -2));
    return 0;
}

// Lua runs again in the fiber, where it has called or computed: in the same stretch, or the report
// is late.
void on_lua(lua_State* L, lua_Debug*) {
    lua_sethook(L, nullptr, 0, 0);
    if (watch.stretch.load() != watch.scheduler->stretch()) return;
    lua_pushcfunction(L, print_traceback);
    if (lua_pcall(L, 0, 0, 0) != LUA_OK) lua_pop(L, 1);
}

// Setting a hook is what Lua allows in a signal handler. A hook of the program's own stays.
void ask_for_traceback(const LuaFiber& fiber) {
    if (lua_gethook(fiber.thread()) != nullptr) return;
    lua_sethook(fiber.thread(), on_lua, LUA_MASKRET | LUA_MASKCOUNT, 1);
}

void on_signal(int) {
    int saved_errno = errno;
    Fiber* fiber = watch.scheduler->running();
    if (fiber != nullptr && watch.scheduler->stretch() == watch.stretch.load()) {
        write_stderr("coir: fiber ");
        write_number(static_cast<long long>(fiber->id()));
        write_stderr(" has kept the thread for ");
        write_number(std::chrono::duration_cast<std::chrono::milliseconds>(watch.limit).count());
        write_stderr(" ms");
        write_system_call(watch.system_call.load());
        write_stderr("\n");
        if (fiber->owner != nullptr) ask_for_traceback(static_cast<const LuaFiber&>(*fiber));
    }
    errno = saved_errno;
}

// -- Watching, on a thread of its own -------------------------------------------------------------

// A stretch is one run of a fiber; its number is odd.
void keep_watching() {
    constexpr Duration shortest = std::chrono::milliseconds(1);
    std::uint64_t seen = 0;
    Deadline since = Clock::now();
    bool reported = false;
    for (;;) {
        std::this_thread::sleep_for(std::max(watch.limit / 4, shortest));
        std::uint64_t stretch = watch.scheduler->stretch();
        if (stretch != seen) {
            seen = stretch;
            since = Clock::now();
            reported = false;
        }
        if (reported || seen % 2 == 0 || Clock::now() - since < watch.limit) continue;
        reported = true;
        watch.since = since.time_since_epoch().count();
        watch.system_call = system_call_of(watch.path);
        watch.stretch = stretch;
        ::pthread_kill(watch.thread, SIGRTMIN);
    }
}

}  // namespace

Error watch_fibers(Scheduler& scheduler, std::chrono::milliseconds limit) {
    if (watch.scheduler != nullptr) return std::errc::device_or_resource_busy;
    watch.scheduler = &scheduler;
    watch.limit = limit;
    watch.thread = ::pthread_self();
    watch.path = "/proc/self/task/" + std::to_string(::syscall(SYS_gettid)) + "/syscall";
    struct sigaction action {};
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    ::sigemptyset(&action.sa_mask);
    ::sigaction(SIGRTMIN, &action, nullptr);
    // The program's signals are for its own thread.
    sigset_t all, before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    Error error;
    try {
        std::thread(keep_watching).detach();
    } catch (const std::system_error& failure) {
        error = Error(failure.code().value());
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return error;
}

}  // namespace coir
