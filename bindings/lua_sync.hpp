// lua_sync.hpp: what fibers use to wait for each other.
#pragma once

#include <lua.hpp>

namespace coir {

// Each adds its constructors to the table on top of the stack: cond, mutex, semaphore, wait_group;
// channel.
void open_sync(lua_State* L);
void open_channel(lua_State* L);

// Makes the class `name` with these methods and metamethods (names that begin with two
// underscores), and the function `constructor` in the table on top of the stack under the same
// name.
void add_class(lua_State* L, const char* name, lua_CFunction constructor, const luaL_Reg* methods);

}  // namespace coir
