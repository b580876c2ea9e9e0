// lua_failure.hpp: what becomes of the error that ends a fiber.
//
// It is printed at once when nobody can join the fiber; otherwise when the fiber's handle is
// collected and nobody has joined it.
#pragma once

#include <lua.hpp>

namespace coir {

// The message handler of a fiber's body: leaves the traceback in the handle, and the error as it
// is.
int keep_traceback(lua_State* L);

// keep_error(error): called in the fiber that it ends. Prints it, or makes it the outcome of the
// fiber's handle.
int keep_error(lua_State* L);

// Takes the record of a failure on top of the stack for its error: somebody hears of it.
void take_failure(lua_State* L);

// Takes it for its traceback.
void take_failure_traceback(lua_State* L);

// Adds the class of records to the state.
void make_failure_class(lua_State* L);

}  // namespace coir
