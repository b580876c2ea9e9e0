// scheduler_descriptors.cpp: who watches which descriptor.
#include <algorithm>

#include "runtime/scheduler.hpp"

namespace coir {

Error Scheduler::watch(int fd, Watcher& watcher, bool writes) {
    auto index = static_cast<std::size_t>(fd);
    try {
        if (index >= watches_.size()) watches_.resize(std::max(index + 1, watches_.size() * 2));
    } catch (const std::bad_alloc&) {
        return std::errc::not_enough_memory;
    }
    Watch& watch = watches_[index];
    if (watch.watcher != nullptr) return std::errc::file_exists;
    ++watch.generation;
    std::uint64_t token = watch.token(fd);
    Error error = poller_.add(fd, token, writes);
    if (error == std::errc::file_exists) {
        // A copy of an earlier descriptor of this number is still registered, under a token of the
        // past.
        poller_.remove(fd);
        error = poller_.add(fd, token, writes);
    }
    if (!error) watch.watcher = &watcher;
    return error;
}

Error Scheduler::watch_writes(int fd) {
    return poller_.add_writes(fd, watches_[static_cast<std::size_t>(fd)].token(fd));
}

void Scheduler::unwatch(int fd, bool closing) {
    Watch& watch = watches_[static_cast<std::size_t>(fd)];
    watch.watcher = nullptr;
    ++watch.generation;
    if (!closing || !Poller::closing_removes) poller_.remove(fd);
}

Watcher* Scheduler::watcher(int fd) const {
    auto index = static_cast<std::size_t>(fd);
    return index < watches_.size() ? watches_[index].watcher : nullptr;
}

}  // namespace coir
