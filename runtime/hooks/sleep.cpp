// sleep.cpp: nanosleep, clock_nanosleep, usleep and sleep.
//
// A sleep that the fiber's cancellation or interruption ends fails with EINTR and says what is
// left. One that begins in such a fiber is over at once, with nothing left: a library that sleeps
// what is left until nothing is would otherwise never come back.
#include <algorithm>

#include "runtime/hooks/call.hpp"

namespace coir::hooks {

namespace {

constexpr long second = 1'000'000'000;

bool valid(const timespec* time) {
    return time != nullptr && time->tv_sec >= 0 && time->tv_nsec >= 0 && time->tv_nsec < second;
}

// What does not fit is longer than anybody waits.
Duration duration(const timespec& time) {
    constexpr time_t longest = 8'000'000'000;
    return std::chrono::seconds(std::min(time.tv_sec, longest)) + Duration(time.tv_nsec);
}

Deadline deadline_in(Duration time) {
    Deadline now = Clock::now();
    return time > never - now ? never : now + time;
}

// Returns 0, -EINTR or -ENOMEM. `left`: what is left of the sleep.
long sleep_until(Call& call, Deadline deadline, Duration& left) {
    bool due = deadline <= Clock::now();
    WaitList sleeper("sleep");
    long result = call.park(sleeper, deadline);
    left = Duration::zero();
    if (result == -ETIMEDOUT || due) return 0;
    if (result == -EINTR) left = std::max(deadline - Clock::now(), Duration::zero());
    return result == -ECANCELED ? -EINTR : result;
}

void store(timespec* out, Duration time) {
    if (out == nullptr) return;
    out->tv_sec = time.count() / second;
    out->tv_nsec = time.count() % second;
}

long sleep_for(Call& call, const timespec& time, timespec* rest) {
    Duration left;
    long result = sleep_until(call, deadline_in(duration(time)), left);
    if (result == -EINTR) store(rest, left);
    return result;
}

// Sleeps until that clock shows that time. Somebody may set the clock meanwhile, so it is looked at
// once a second.
long sleep_until_time(Call& call, clockid_t clock, const timespec& time) {
    for (;;) {
        timespec now;
        if (::clock_gettime(clock, &now) < 0) return -errno;
        Duration left = duration(time) - duration(now);
        if (left <= Duration::zero()) return 0;
        Duration step =
            clock == CLOCK_MONOTONIC ? left : std::min<Duration>(left, std::chrono::seconds(1));
        if (long result = sleep_until(call, deadline_in(step), left)) return result;
    }
}

bool runs_by_itself(clockid_t clock) {
    return clock == CLOCK_MONOTONIC || clock == CLOCK_REALTIME || clock == CLOCK_BOOTTIME ||
           clock == CLOCK_TAI;
}

}  // namespace

}  // namespace coir::hooks

using namespace coir::hooks;

extern "C" int nanosleep(const timespec* time, timespec* rest) {
    Call call(Hook::nanosleep);
    if (!valid(time) || !call.in_fiber()) return library().nanosleep(time, rest);
    return call.finish<int>(sleep_for(call, *time, rest));
}

extern "C" int clock_nanosleep(clockid_t clock, int flags, const timespec* time, timespec* rest) {
    Call call(Hook::clock_nanosleep);
    if (!valid(time) || !runs_by_itself(clock) || !call.in_fiber()) {
        return library().clock_nanosleep(clock, flags, time, rest);
    }
    bool absolute = (flags & TIMER_ABSTIME) != 0;
    long result = absolute ? sleep_until_time(call, clock, *time) : sleep_for(call, *time, rest);
    (void)call.finish<int>(0);
    return static_cast<int>(-result);  // the error itself, not errno
}

extern "C" int usleep(useconds_t microseconds) {
    Call call(Hook::usleep);
    if (!call.in_fiber()) return library().usleep(microseconds);
    timespec time{microseconds / 1'000'000, static_cast<long>(microseconds % 1'000'000) * 1000};
    return call.finish<int>(sleep_for(call, time, nullptr));
}

extern "C" unsigned sleep(unsigned seconds) {
    Call call(Hook::sleep);
    if (!call.in_fiber()) return library().sleep(seconds);
    timespec rest{};
    long result = sleep_for(call, timespec{static_cast<time_t>(seconds), 0}, &rest);
    (void)call.finish<int>(0);
    return result == 0 ? 0 : static_cast<unsigned>(rest.tv_sec + (rest.tv_nsec >= second / 2));
}
