// hooks.hpp: C libraries that block wait on fibers.
//
// A program that is linked with coir-hooks defines the C library's functions that wait (poll, recv,
// getaddrinfo, ...; the list is COIR_HOOKED in library.hpp), and libraries loaded into it call
// these. In a fiber such a call parks the fiber; anywhere else, on another thread or in the
// program's own code it is the C library's. doc/hooks.md says what each function does.
//
// The hooks are the process's, as the names are. Linux with glibc only.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/fiber.hpp"

namespace coir {
class Resolver;
}

namespace coir::hooks {

// Off: every call is the C library's. On at first, and off in a child of fork(2). From any thread.
void enable(bool on);
bool enabled();

// What the hooks ask of the layer above; every member may be null.
struct Host {
    // Whether this fiber, which is running, may wait here and now. Must not wait itself.
    bool (*may_wait)(Fiber& fiber) = nullptr;

    // The resolver that the running fiber asks for names; nullptr: the C library's functions are
    // called.
    Resolver* (*resolver)(Fiber& fiber) = nullptr;
};
void set_host(const Host& host);

// How often the calls of one function parked a fiber, and how often they went through to the C
// library without waiting.
struct Count {
    const char* name;
    std::uint64_t parked;
    std::uint64_t passed;
};
// One for each hooked function. The fortified forms count as the plain ones.
std::size_t count_of_hooks();
Count count(std::size_t hook);

}  // namespace coir::hooks
