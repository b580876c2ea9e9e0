// errno_names.hpp: the names of the error numbers of errno(3).
#pragma once

#include <span>

namespace coir {

struct ErrnoName {
    const char* name;
    int number;
};

// Every name this system has. Of two names for one number (EAGAIN, EWOULDBLOCK) the usual one is
// first.
std::span<const ErrnoName> errno_names();

}  // namespace coir
