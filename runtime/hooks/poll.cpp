// poll.cpp: poll, ppoll, select and pselect.
//
// Each looks once; if nothing is ready it parks the fiber, and looks again whenever something may
// have changed. The look is the C library's own function with a timeout of zero, so the results are
// its. While a signal mask has to be in force, the look happens every ten milliseconds with the
// mask.
#include <algorithm>
#include <cstring>
#include <new>
#include <optional>
#include <vector>

#include "runtime/hooks/interest.hpp"

namespace coir::hooks {

namespace {

constexpr timespec at_once{0, 0};

bool valid(const timespec& time) {
    return time.tv_sec >= 0 && time.tv_nsec >= 0 && time.tv_nsec < 1'000'000'000;
}

Deadline after(const timespec* time) {
    if (time == nullptr) return never;
    return deadline_after(static_cast<double>(time->tv_sec) +
                          static_cast<double>(time->tv_nsec) / 1e9);
}

bool waits(const timespec* time) {
    return time == nullptr || (valid(*time) && (time->tv_sec > 0 || time->tv_nsec > 0));
}

// -- poll -----------------------------------------------------------------------------------------

long poll_entries(Call& call, std::span<pollfd> entries, Deadline deadline, const sigset_t* mask) {
    auto look = [&] {
        return kernel(library().ppoll(entries.data(), entries.size(), &at_once, mask));
    };
    if (long found = look()) {
        call.keep_pace();
        return found;
    }
    Interest interest(call, entries.empty() ? -1 : entries.front().fd);
    interest.add(entries);
    if (mask != nullptr) interest.look_again();
    return wait_until(interest, deadline, look);
}

// -- select ---------------------------------------------------------------------------------------

// Sets of descriptors for select(2) can be longer than an fd_set.
class Sets {
public:
    Sets(int count, fd_set* read, fd_set* write, fd_set* except)
        : count_(count), sets_{read, write, except} {
        for (int i = 0; i < 3; ++i) {
            if (sets_[i] != nullptr) wanted_[i].assign(words(sets_[i]), words(sets_[i]) + size());
        }
    }

    long look(const sigset_t* mask) {
        restore();
        return kernel(library().pselect(count_, sets_[0], sets_[1], sets_[2], &at_once, mask));
    }

    void restore() {
        for (int i = 0; i < 3; ++i)
            std::copy(wanted_[i].begin(), wanted_[i].end(), words(sets_[i]));
    }

    std::vector<pollfd> entries() const {
        constexpr short events[] = {POLLIN, POLLOUT, POLLPRI};
        std::vector<pollfd> result;
        for (int fd = 0; fd < count_; ++fd) {
            pollfd entry{fd, 0, 0};
            for (int i = 0; i < 3; ++i) {
                if (has(i, fd)) entry.events = static_cast<short>(entry.events | events[i]);
            }
            if (entry.events != 0) result.push_back(entry);
        }
        return result;
    }

private:
    using Word = unsigned long;
    static constexpr int bits = 8 * sizeof(Word);
    static Word* words(fd_set* set) { return reinterpret_cast<Word*>(set); }
    int size() const { return (count_ + bits - 1) / bits; }
    bool has(int set, int fd) const {
        const std::vector<Word>& all = wanted_[set];
        return !all.empty() && (all[static_cast<std::size_t>(fd / bits)] >> (fd % bits) & 1) != 0;
    }

    int count_;
    fd_set* sets_[3];
    std::vector<Word> wanted_[3];
};

long select_sets(Call& call, Sets& sets, Deadline deadline, const sigset_t* mask) {
    auto look = [&] { return sets.look(mask); };
    if (long found = look()) {
        call.keep_pace();
        return found;
    }
    std::vector<pollfd> entries = sets.entries();
    Interest interest(call, entries.empty() ? -1 : entries.front().fd);
    interest.add(entries);
    if (mask != nullptr) interest.look_again();
    long result = wait_until(interest, deadline, look);
    if (result < 0) sets.restore();
    return result;
}

long select_for(Call& call, int count, fd_set* sets[3], Deadline deadline, const sigset_t* mask) {
    try {
        Sets copies(count, sets[0], sets[1], sets[2]);
        return select_sets(call, copies, deadline, mask);
    } catch (const std::bad_alloc&) {
        return -ENOMEM;
    }
}

// Linux says in `timeout` how much of it is left.
void store_rest(timeval& timeout, Deadline deadline) {
    auto left = std::chrono::ceil<std::chrono::microseconds>(
        std::max(deadline - Clock::now(), Duration::zero()));
    timeout.tv_sec = left.count() / 1'000'000;
    timeout.tv_usec = left.count() % 1'000'000;
}

}  // namespace

}  // namespace coir::hooks

using namespace coir::hooks;

extern "C" int poll(pollfd* fds, nfds_t count, int timeout) {
    Call call(Hook::poll);
    if (timeout == 0 || !call.in_fiber()) return library().poll(fds, count, timeout);
    coir::Deadline deadline = timeout < 0 ? coir::never : coir::deadline_after(timeout / 1e3);
    return call.finish<int>(poll_entries(call, {fds, count}, deadline, nullptr));
}

extern "C" int ppoll(pollfd* fds, nfds_t count, const timespec* timeout, const sigset_t* mask) {
    Call call(Hook::ppoll);
    if (!waits(timeout) || !call.in_fiber()) return library().ppoll(fds, count, timeout, mask);
    return call.finish<int>(poll_entries(call, {fds, count}, after(timeout), mask));
}

extern "C" int select(int count, fd_set* read, fd_set* write, fd_set* except, timeval* timeout) {
    Call call(Hook::select);
    std::optional<timespec> time;
    if (timeout != nullptr) {
        constexpr long million = 1'000'000;
        time = timespec{timeout->tv_sec + timeout->tv_usec / million,
                        timeout->tv_usec % million * 1000};
    }
    const timespec* limit = time ? &*time : nullptr;
    if (count < 0 || !waits(limit) || !call.in_fiber()) {
        return library().select(count, read, write, except, timeout);
    }
    fd_set* sets[] = {read, write, except};
    coir::Deadline deadline = after(limit);
    long result = select_for(call, count, sets, deadline, nullptr);
    if (timeout != nullptr) store_rest(*timeout, deadline);
    return call.finish<int>(result);
}

extern "C" int pselect(int count, fd_set* read, fd_set* write, fd_set* except,
                       const timespec* timeout, const sigset_t* mask) {
    Call call(Hook::pselect);
    if (count < 0 || !waits(timeout) || !call.in_fiber()) {
        return library().pselect(count, read, write, except, timeout, mask);
    }
    fd_set* sets[] = {read, write, except};
    return call.finish<int>(select_for(call, count, sets, after(timeout), mask));
}

extern "C" int __poll_chk(pollfd* fds, nfds_t count, int timeout, std::size_t room) {
    if (room / sizeof *fds < count) return library().__poll_chk(fds, count, timeout, room);
    return ::poll(fds, count, timeout);
}

extern "C" int __ppoll_chk(pollfd* fds, nfds_t count, const timespec* timeout, const sigset_t* mask,
                           std::size_t room) {
    if (room / sizeof *fds < count) return library().__ppoll_chk(fds, count, timeout, mask, room);
    return ::ppoll(fds, count, timeout, mask);
}
