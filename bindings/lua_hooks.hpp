// lua_hooks.hpp: coir-hooks in a Lua state: the module `coir.hooks`.
//
// For programs that are linked with coir-hooks, as `coir` is.
#pragma once

#include <lua.hpp>

namespace coir {

// Makes `coir.hooks` available to require(), and has fibers of Lua states wait in hooked calls only where
// they may wait: not in finalizers.
void preload_hooks(lua_State* L);

}  // namespace coir
