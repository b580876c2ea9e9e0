// lua_failure.hpp: what becomes of the error that ends a fiber.
//
// It is printed at once when nobody can join the fiber; otherwise when the fiber's handle is
// collected and nobody has joined it.
#pragma once

#include <lua.hpp>

namespace coir {

class LuaFiber;

// Leaves in the fiber's handle where its Lua thread stands. On top of the thread's stack is the
// error that has ended it, which stays there.
void keep_traceback(LuaFiber& fiber);

// keep_error(error, traceback): called in the fiber that it ends. Prints it, or makes it the
// outcome of the fiber's handle.
int keep_error(lua_State* L);

// Takes the record of a failure on top of the stack for its error: somebody hears of it.
void take_failure(lua_State* L);

// Takes it for its traceback.
void take_failure_traceback(lua_State* L);

// Adds the class of records to the state.
void make_failure_class(lua_State* L);

}  // namespace coir
