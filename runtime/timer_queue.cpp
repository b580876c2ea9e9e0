#include "runtime/timer_queue.hpp"

#include <algorithm>
#include <new>

namespace coir {

Error TimerQueue::arm(Timer& timer, Deadline deadline) {
    try {
        heap_.emplace_back();
    } catch (const std::bad_alloc&) {
        return std::errc::not_enough_memory;
    }
    sift_up(heap_.size() - 1, Entry{deadline, armed_++, &timer});
    return {};
}

void TimerQueue::cancel(Timer& timer) {
    if (timer.armed()) remove(timer.place_);
}

Timer* TimerQueue::pop_due(Deadline now) {
    if (heap_.empty() || heap_.front().deadline > now) return nullptr;
    Timer* timer = heap_.front().timer;
    remove(0);
    return timer;
}

// The last entry moves into the hole and then to where it belongs, which may be in either
// direction.
void TimerQueue::remove(std::size_t place) {
    heap_[place].timer->place_ = Timer::nowhere;
    Entry last = heap_.back();
    heap_.pop_back();
    give_back_memory();
    if (place == heap_.size()) return;
    if (place > 0 && last.before(heap_[(place - 1) / branches])) {
        sift_up(place, last);
    } else {
        sift_down(place, last);
    }
}

// A crowd of timers that is gone must not leave its memory behind. Halving at a quarter keeps the
// cost of this constant per removal.
void TimerQueue::give_back_memory() {
    constexpr std::size_t small = 4096;
    if (heap_.capacity() <= small || heap_.size() > heap_.capacity() / 4) return;
    try {
        std::vector<Entry> smaller;
        smaller.reserve(heap_.capacity() / 2);
        smaller.assign(heap_.begin(), heap_.end());
        heap_.swap(smaller);
    } catch (const std::bad_alloc&) {
        // The larger block serves as well.
    }
}

void TimerQueue::put(std::size_t place, const Entry& entry) {
    heap_[place] = entry;
    entry.timer->place_ = place;
}

void TimerQueue::sift_up(std::size_t place, const Entry& entry) {
    while (place > 0) {
        std::size_t parent = (place - 1) / branches;
        if (!entry.before(heap_[parent])) break;
        put(place, heap_[parent]);
        place = parent;
    }
    put(place, entry);
}

void TimerQueue::sift_down(std::size_t place, const Entry& entry) {
    for (;;) {
        std::size_t first = place * branches + 1;
        if (first >= heap_.size()) break;
        std::size_t last = std::min(first + branches, heap_.size());
        std::size_t least = first;
        for (std::size_t child = first + 1; child < last; ++child) {
            if (heap_[child].before(heap_[least])) least = child;
        }
        if (!heap_[least].before(entry)) break;
        put(place, heap_[least]);
        place = least;
    }
    put(place, entry);
}

}  // namespace coir
