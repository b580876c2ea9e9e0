// timer_queue.hpp: pending timers, earliest first.
//
// A four-way heap of entries. An armed timer has a slot, which knows the entry's place in it:
// cancelling costs O(log n) and leaves no stale entry behind, and moving entries about touches
// slots but no timers, which are far apart in memory. Timers with equal deadlines come out in the
// order in which they were armed. The queue owns no timer and reads no clock: the scheduler tells
// it the time. One thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/clock.hpp"
#include "runtime/error.hpp"

namespace coir {

class Timer {
public:
    Timer() = default;
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

    bool armed() const { return slot_ != none; }

private:
    friend class TimerQueue;
    static constexpr std::uint32_t none = UINT32_MAX;
    std::uint32_t slot_ = none;
};

class TimerQueue {
public:
    // Queues a timer that is not armed. Error: ENOMEM; the timer is then not armed.
    Error arm(Timer& timer, Deadline deadline);

    // Takes the timer off the queue, if it is on it.
    void cancel(Timer& timer);

    // Takes the earliest timer that is due at `now` off the queue; nullptr when none is due.
    Timer* pop_due(Deadline now);

    bool empty() const { return heap_.empty(); }
    std::size_t size() const { return heap_.size(); }

    // The earliest deadline; `never` when no timer is pending.
    Deadline next() const { return heap_.empty() ? never : heap_.front().deadline; }

private:
    // Small, because a queue of many does not stay in the processor's cache. `order` wraps around:
    // it tells which of two came first while they are less than 2^31 timers apart.
    struct Entry {
        Deadline deadline;
        std::uint32_t order;
        std::uint32_t slot;

        bool before(const Entry& other) const {
            if (deadline != other.deadline) return deadline < other.deadline;
            return static_cast<std::int32_t>(order - other.order) < 0;
        }
    };
    struct Slot {
        Timer* timer;
        std::uint32_t place;  // in the heap; of a free slot, the next free one
    };
    static constexpr std::size_t branches = 4;

    void take_slot(Timer& timer);
    void free_slot(Timer& timer);
    void remove(std::size_t place);
    void give_back_memory();
    void put(std::size_t place, const Entry& entry);
    void sift_up(std::size_t place, const Entry& entry);
    void sift_down(std::size_t place, const Entry& entry);

    std::vector<Entry> heap_;
    std::vector<Slot> slots_;
    std::uint32_t first_free_ = Timer::none;
    std::uint32_t armed_ = 0;
};

}  // namespace coir
