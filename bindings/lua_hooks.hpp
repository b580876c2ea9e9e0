// lua_hooks.hpp: coir-hooks in a Lua state: the module `coir.hooks`.
//
// For programs that are linked with coir-hooks, as `coir` is on Linux with glibc; elsewhere
// no_hooks.cpp stands in.
#pragma once

#include <lua.hpp>

namespace coir {

// Makes `coir.hooks` available to require(), switches the hooks on or off, and has fibers of Lua
// states wait in hooked calls only where they may wait: not in finalizers.
void preload_hooks(lua_State* L, bool on);

}  // namespace coir
