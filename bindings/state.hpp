// state.hpp: a Lua state with an allocator of one's own.
#pragma once

#include <lua.hpp>

namespace coir {

// What luaL_newstate makes, the panic function and warnings (which are off at first) included, but
// with this allocator from the first byte on; nullptr when there is no memory.
lua_State* new_state(lua_Alloc allocate, void* data);

}  // namespace coir
