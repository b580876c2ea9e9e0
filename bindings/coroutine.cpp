// coroutine.cpp: what Lua's functions for coroutines say inside a fiber.
//
// A fiber's function runs as a coroutine of Lua, which can be left when it waits and needs no C
// stack then. To the program it is none: there is nobody to yield to.
#include "bindings/lua_fiber.hpp"

namespace coir {

namespace {

bool is_own_thread(lua_State* L, const lua_State* thread) {
    const LuaFiber* fiber = running_fiber(L);
    return fiber != nullptr && fiber->thread() == thread;
}

int yield(lua_State* L) {
    if (is_own_thread(L, L)) {
        lua_pushstring(L, stray_yield);
        return lua_error(L);
    }
    return lua_yield(L, lua_gettop(L));
}

int isyieldable(lua_State* L) {
    lua_State* thread = lua_isthread(L, 1) ? lua_tothread(L, 1) : L;
    lua_pushboolean(L, lua_isyieldable(thread) != 0 && !is_own_thread(L, thread));
    return 1;
}

}  // namespace

void guard_coroutines(lua_State* L) {
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    if (lua_getfield(L, -1, LUA_COLIBNAME) == LUA_TTABLE) {
        static const luaL_Reg own[] = {
            {"yield", yield}, {"isyieldable", isyieldable}, {nullptr, nullptr}};
        luaL_setfuncs(L, own, 0);
    }
    lua_pop(L, 2);
}

}  // namespace coir
