#include "runtime/timer_queue.hpp"

#include <algorithm>
#include <new>

#include "runtime/prefetch.hpp"

namespace coir {

Error TimerQueue::arm(Timer& timer, Deadline deadline) {
    if (heap_.size() >= Timer::none) return std::errc::not_enough_memory;
    try {
        take_slot(timer);
        heap_.emplace_back();
    } catch (const std::bad_alloc&) {
        if (timer.armed()) free_slot(timer);
        return std::errc::not_enough_memory;
    }
    sift_up(heap_.size() - 1, Entry{deadline, armed_++, timer.slot_});
    return {};
}

void TimerQueue::take_slot(Timer& timer) {
    if (first_free_ == Timer::none) {
        slots_.push_back({nullptr, Timer::none});
        first_free_ = static_cast<std::uint32_t>(slots_.size() - 1);
    }
    timer.slot_ = first_free_;
    first_free_ = slots_[timer.slot_].place;
    slots_[timer.slot_].timer = &timer;
}

void TimerQueue::free_slot(Timer& timer) {
    slots_[timer.slot_].place = first_free_;
    first_free_ = timer.slot_;
    timer.slot_ = Timer::none;
}

void TimerQueue::cancel(Timer& timer) {
    if (timer.armed()) remove(slots_[timer.slot_].place);
}

Timer* TimerQueue::pop_due(Deadline now) {
    if (heap_.empty() || heap_.front().deadline > now) return nullptr;
    Timer* timer = slots_[heap_.front().slot].timer;
    remove(0);
    if (!heap_.empty()) prefetch(slots_[heap_.front().slot].timer, 3);  // due, too, perhaps
    return timer;
}

// The last entry moves into the hole and then to where it belongs, which may be in either
// direction.
void TimerQueue::remove(std::size_t place) {
    free_slot(*slots_[heap_[place].slot].timer);
    Entry last = heap_.back();
    heap_.pop_back();
    if (place > 0 && place < heap_.size() && last.before(heap_[(place - 1) / branches])) {
        sift_up(place, last);
    } else if (place < heap_.size()) {
        sift_down(place, last);
    }
    give_back_memory();
}

// A crowd of timers that is gone must not leave its memory behind. Halving at a quarter keeps the
// cost of this constant per removal. Slots are given out anew, in the order of the heap.
void TimerQueue::give_back_memory() {
    constexpr std::size_t small = 4096;
    if (heap_.capacity() <= small || heap_.size() > heap_.capacity() / 4) return;
    try {
        std::vector<Entry> smaller;
        std::vector<Slot> slots;
        smaller.reserve(heap_.capacity() / 2);
        slots.reserve(heap_.capacity() / 2);
        for (Entry entry : heap_) {
            auto place = static_cast<std::uint32_t>(slots.size());
            slots.push_back({slots_[entry.slot].timer, place});
            slots.back().timer->slot_ = entry.slot = place;
            smaller.push_back(entry);
        }
        heap_.swap(smaller);
        slots_.swap(slots);
        first_free_ = Timer::none;
    } catch (const std::bad_alloc&) {
        // The larger blocks serve as well.
    }
}

inline void TimerQueue::put(std::size_t place, const Entry& entry) {
    heap_[place] = entry;
    slots_[entry.slot].place = static_cast<std::uint32_t>(place);
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
