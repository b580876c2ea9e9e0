// main.cpp: the program that runs the cases of every unit of the runtime.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

// Read by AddressSanitizer: a failed allocation is an error to handle, and a frame of a fiber stays
// where the switch expects it.
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() {
    return "allocator_may_return_null=1:detect_stack_use_after_return=0";
}
