// watcher.hpp: what a scheduler calls: for the events of a descriptor, and before a fiber is left.
#pragma once

#include "runtime/list.hpp"
#include "runtime/poller.hpp"

namespace coir {

// What a registered descriptor's events are told to.
class Watcher {
public:
    // Something has changed. May wake fibers; must not close, park or switch.
    virtual void ready(const Poller::Event& event) = 0;

    // Asks the processor's cache for the fiber that ready() will wake.
    virtual void prefetch_waiter() {}

protected:
    ~Watcher() = default;
};

// Something to finish before the running fiber is left, for example output that was gathered.
class Departure : public ListHook<Departure> {
public:
    // Called once, on the leaving fiber's stack. Must not wait.
    virtual void departing() = 0;

protected:
    ~Departure() = default;
};

}  // namespace coir
