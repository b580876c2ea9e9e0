// indexed_value.hpp: the object whose field Lua code is reading.
//
// Methods are found fastest when `__index` is a table: a function there costs a call for each of
// them. But a function that stands behind the table, for fields that are no methods, gets the table
// and not the object. The object is a local value or an upvalue of the Lua function that reads the
// field, and the instruction that this is at names it.
#pragma once

#include <lua.hpp>

#include <string_view>

namespace coir {

// For the `__index` function of a table of methods, whose arguments are the table and a name: if
// that is the name of `field`, pushes the object and returns true. Pushes nothing and returns false
// otherwise, and when it is not Lua code that reads the field: C functions have no instructions.
bool push_indexed_value(lua_State* L, std::string_view field);

}  // namespace coir
