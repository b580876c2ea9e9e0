// indexed_value.hpp: the object whose field Lua code is reading.
//
// Methods are found fastest when `__index` is a table: a function there costs a call for each of
// them. But a function that stands behind the table, for fields that are no methods, gets the table
// and not the object. The object is a local value or an upvalue of the Lua function that reads the
// field, and the instruction that this is at names it.
#pragma once

#include <lua.hpp>

namespace coir {

// Pushes the object, and returns true. Returns false, and pushes nothing, unless the caller is Lua
// code that reads a field now: C functions have no instructions.
bool push_indexed_value(lua_State* L);

}  // namespace coir
