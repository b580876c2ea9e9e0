// prefetch.hpp: asks the processor's cache for what will be touched soon.
#pragma once

#include <cstddef>

namespace coir {

// Some cache lines, from `address` on. Any address will do. Inlined always: g++ takes the call of a
// function that only prefetches for one without effect.
[[gnu::always_inline]] inline void prefetch(const void* address, std::size_t lines) {
    constexpr std::size_t line = 64;
    for (std::size_t i = 0; i < lines; ++i) {
        __builtin_prefetch(static_cast<const char*>(address) + i * line);
    }
}

}  // namespace coir
