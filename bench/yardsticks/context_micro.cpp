// context_micro.cpp: a yardstick, what fibers on bare Boost.Context cost, without Lua.
//
// Usage: context_micro QUESTION COUNT, as every micro.* of bench/peers: see bench/README.md.

#include "bench/yardsticks/context_fibers.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <ctime>
#include <deque>
#include <queue>
#include <random>
#include <string_view>

#include <unistd.h>

using namespace coir::bench;

namespace {

double seconds_of(clockid_t clock) {
    timespec time;
    ::clock_gettime(clock, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

double cpu_s() { return seconds_of(CLOCK_PROCESS_CPUTIME_ID); }
double now_s() { return seconds_of(CLOCK_MONOTONIC); }

template <typename Work>
void print_cost(std::size_t count, Work work) {
    double start = cpu_s();
    work();
    std::printf("cpu_ns %.3f\n", (cpu_s() - start) * 1e9 / static_cast<double>(count));
}

double resident_bytes() {
    std::FILE* file = std::fopen("/proc/self/statm", "r");
    unsigned long pages = 0;
    if (file == nullptr || std::fscanf(file, "%*s %lu", &pages) != 1) std::exit(1);
    std::fclose(file);
    return static_cast<double>(pages) * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

void yield_among(std::size_t fibers, std::size_t count) {
    std::deque<Fiber> all(fibers);
    for (Fiber& fiber : all) {
        spawn(fiber, [times = count / fibers] {
            for (std::size_t i = 0; i < times; ++i) yield();
        });
    }
    print_cost(count, run_ready);
}

void spawn_join(std::size_t count) {
    Fiber fiber;
    print_cost(count, [&] {
        for (std::size_t i = 0; i < count; ++i) {
            spawn(fiber, [] {});
            join(fiber);
        }
    });
}

// Holds one value.
class Channel {
public:
    void put(int value) {
        while (full_) wait(writer_);
        value_ = value;
        full_ = true;
        wake(reader_);
    }

    int get() {
        while (!full_) wait(reader_);
        full_ = false;
        wake(writer_);
        return value_;
    }

private:
    static void wait(Fiber*& who) {
        who = running;
        park();
    }

    static void wake(Fiber*& who) {
        if (who != nullptr) ready.push(*std::exchange(who, nullptr));
    }

    bool full_ = false;
    int value_ = 0;
    Fiber* reader_ = nullptr;
    Fiber* writer_ = nullptr;
};

void channel(std::size_t count) {
    Channel there;
    Channel back;
    Fiber answering;
    Fiber asking;
    spawn(answering, [&] {
        for (std::size_t i = 0; i < count; ++i) back.put(there.get());
    });
    spawn(asking, [&] {
        for (std::size_t i = 0; i < count; ++i) {
            there.put(static_cast<int>(i));
            back.get();
        }
    });
    print_cost(count, run_ready);
}

class Cond {
public:
    void wait() {
        waiting_ = running;
        park();
    }

    void signal() {
        if (waiting_ != nullptr) ready.push(*std::exchange(waiting_, nullptr));
    }

private:
    Fiber* waiting_ = nullptr;
};

void cond(std::size_t count) {
    Cond there;
    Cond back;
    Fiber answering;
    Fiber asking;
    spawn(answering, [&] {
        for (std::size_t i = 0; i < count; ++i) {
            there.wait();
            back.signal();
        }
    });
    spawn(asking, [&] {
        for (std::size_t i = 0; i < count; ++i) {
            there.signal();
            back.wait();
        }
    });
    print_cost(count, run_ready);
}

using Due = std::pair<double, Fiber*>;
std::priority_queue<Due, std::vector<Due>, std::greater<>> sleeping;

void sleep_until(double due) {
    sleeping.emplace(due, running);
    park();
}

void wake_in_time() {
    while (!sleeping.empty()) {
        double now = now_s();
        double pause = sleeping.top().first - now;
        if (pause > 0) ::usleep(static_cast<useconds_t>(pause * 1e6) + 1);
        for (now = now_s(); !sleeping.empty() && sleeping.top().first <= now; sleeping.pop()) {
            ready.push(*sleeping.top().second);
        }
        run_ready();
    }
}

void sleepers(std::size_t count) {
    std::deque<Fiber> all(count);
    std::vector<double> late(count);
    std::mt19937 random(1);
    std::uniform_real_distribution<double> moment(0, 1);
    double start = cpu_s();
    double first = now_s() + 0.1 + static_cast<double>(count) * 3e-5;
    for (std::size_t i = 0; i < count; ++i) {
        spawn(all[i], [&late, i, due = first + moment(random)] {
            sleep_until(due);
            late[i] = std::abs(now_s() - due);  // too early is as wrong as too late
        });
    }
    run_ready();
    wake_in_time();
    double cpu = cpu_s() - start;
    std::sort(late.begin(), late.end());
    std::printf("cpu_us %.4f\n", cpu * 1e6 / static_cast<double>(count));
    std::printf("off_p99_ms %.4f\n", late[count * 99 / 100] * 1e3);
}

void parked(std::size_t count) {
    double before = resident_bytes();
    std::deque<Fiber> all(count);
    for (Fiber& fiber : all) spawn(fiber, park);
    run_ready();
    std::printf("resident_bytes %.1f\n", (resident_bytes() - before) / static_cast<double>(count));
    std::fflush(stdout);
    ::_exit(0);
}

bool answer(std::string_view question, std::size_t count) {
    if (question == "yield2")
        yield_among(2, count);
    else if (question == "yield10000")
        yield_among(10'000, count);
    else if (question == "spawn_join")
        spawn_join(count);
    else if (question == "channel")
        channel(count);
    else if (question == "cond")
        cond(count);
    else if (question == "sleepers")
        sleepers(count);
    else if (question == "parked")
        parked(count);
    else
        return false;
    return true;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc == 3 && answer(argv[1], static_cast<std::size_t>(std::atoll(argv[2])))) return 0;
    std::fputs("usage: context_micro QUESTION COUNT\n", stderr);
    return 2;
}
