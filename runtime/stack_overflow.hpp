// stack_overflow.hpp: says which fiber ran into the guard page of its stack.
#pragma once

#include <string_view>

#include "runtime/error.hpp"
#include "runtime/fiber.hpp"

namespace coir {

// Installs a SIGSEGV (and SIGBUS) handler with a stack of its own, for the calling thread. When a
// fiber of this thread has touched its guard page, the handler writes one line to stderr, calls
// describe(fiber), which may write(2) more and must not allocate, and lets the process end with the
// signal. Any other fault ends it as if there were no handler. Errors: those of sigaltstack(2).
Error report_stack_overflows(void (*describe)(const Fiber& fiber));

// write(2) to stderr, for handlers.
void write_stderr(std::string_view text);

}  // namespace coir
