// report.hpp: what is printed about fibers when something is wrong or somebody asks.
#pragma once

#include <lua.hpp>

#include <cstdio>

#include "runtime/fiber.hpp"

namespace coir {

// Prints every living fiber with what it waits for and its traceback. Called by the dispatcher.
void print_fibers(lua_State* L, std::FILE* file);

// One line for each fiber that is still alive.
void name_fibers(lua_State* L, std::FILE* file);

// Writes the Lua traceback of a fiber that has run out of stack. Async-signal-safe as far as Lua's
// own books can be read; nothing is allocated.
void describe_overflow(const Fiber& fiber);

}  // namespace coir
