// instrument.hpp: tells AddressSanitizer and valgrind about stacks and switches; nothing otherwise.
#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define COIR_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define COIR_ASAN 1
#endif
#endif

#ifdef COIR_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#ifdef COIR_VALGRIND
#include <valgrind/memcheck.h>
#endif

namespace coir {

// Forgets what the frames of a fiber that is gone had marked as out of bounds.
inline void unpoison_stack([[maybe_unused]] const char* bottom, [[maybe_unused]] std::size_t size) {
#ifdef COIR_ASAN
    __asan_unpoison_memory_region(bottom, size);
#endif
}

// Called right before a switch to the stack [bottom, bottom + size). `fake_stack` keeps the state
// of the stack that is left; nullptr when it will never be resumed.
inline void before_switch([[maybe_unused]] void** fake_stack, [[maybe_unused]] const void* bottom,
                          [[maybe_unused]] std::size_t size) {
#ifdef COIR_ASAN
    __sanitizer_start_switch_fiber(fake_stack, bottom, size);
#endif
}

// Called right after a switch, on the stack that was entered. Reports the stack that was left.
inline void after_switch([[maybe_unused]] void* fake_stack, [[maybe_unused]] const void** bottom,
                         [[maybe_unused]] std::size_t* size) {
#ifdef COIR_ASAN
    __sanitizer_finish_switch_fiber(fake_stack, bottom, size);
#endif
}

// What lay on the stack before is gone; all of it may be written again.
inline unsigned register_stack([[maybe_unused]] char* bottom, [[maybe_unused]] char* top) {
#ifdef COIR_VALGRIND
    VALGRIND_MAKE_MEM_UNDEFINED(bottom, top - bottom);
    return VALGRIND_STACK_REGISTER(bottom, top);
#else
    return 0;
#endif
}

// Valgrind does not know the newest system calls, and keeps limits of its own.
inline bool under_valgrind() {
#ifdef COIR_VALGRIND
    return RUNNING_ON_VALGRIND != 0;
#else
    return false;
#endif
}

inline void deregister_stack([[maybe_unused]] unsigned id) {
#ifdef COIR_VALGRIND
    VALGRIND_STACK_DEREGISTER(id);
#endif
}

}  // namespace coir
