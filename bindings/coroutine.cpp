// coroutine.cpp: what Lua's functions for coroutines say inside a fiber.
//
// A fiber's function runs as a coroutine of Lua, which can be left when it waits and needs no C
// stack then. To the program it is none: there is nobody to yield to.
#include "bindings/lua_fiber.hpp"

namespace coir {

namespace {

// Whether the thread at index 1 looks like a suspended coroutine, but is a fiber's: only the
// scheduler lets that go on.
bool is_others_fiber(lua_State* L) {
    lua_State* thread = lua_tothread(L, 1);
    if (thread == nullptr || thread == L || !is_fiber_thread(thread)) return false;
    if (lua_status(thread) != LUA_OK) return lua_status(thread) == LUA_YIELD;
    lua_Debug frame;
    return lua_gettop(thread) > 0 && lua_getstack(thread, 0, &frame) == 0;  // it has not begun
}

// Calls Lua's own function, which the upvalue is, in this one's place.
int call_own(lua_State* L) { return lua_tocfunction(L, lua_upvalueindex(1))(L); }

int resume(lua_State* L) {
    if (!is_others_fiber(L)) return call_own(L);
    lua_pushboolean(L, false);
    lua_pushliteral(L, "cannot resume non-suspended coroutine");
    return 2;
}

int close(lua_State* L) {
    return is_others_fiber(L) ? luaL_error(L, "cannot close a normal coroutine") : call_own(L);
}

int status(lua_State* L) {
    if (!is_others_fiber(L)) return call_own(L);
    lua_pushliteral(L, "normal");
    return 1;
}

int yield(lua_State* L) {
    if (is_fiber_thread(L)) {
        lua_pushstring(L, stray_yield);
        return lua_error(L);
    }
    return lua_yield(L, lua_gettop(L));
}

int isyieldable(lua_State* L) {
    lua_State* thread = lua_isthread(L, 1) ? lua_tothread(L, 1) : L;
    lua_pushboolean(L, lua_isyieldable(thread) != 0 && !is_fiber_thread(thread));
    return 1;
}

}  // namespace

void guard_coroutines(lua_State* L) {
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    if (lua_getfield(L, -1, LUA_COLIBNAME) == LUA_TTABLE) {
        static const luaL_Reg instead[] = {
            {"yield", yield}, {"isyieldable", isyieldable}, {nullptr, nullptr}};
        luaL_setfuncs(L, instead, 0);
        static const luaL_Reg around[] = {{"resume", resume}, {"close", close}, {"status", status}};
        int table = lua_gettop(L);
        for (const luaL_Reg& function : around) {
            lua_getfield(L, -1, function.name);
            // Somebody's closure, perhaps ours of an earlier time, is left alone.
            bool plain = lua_iscfunction(L, -1) && lua_getupvalue(L, -1, 1) == nullptr;
            if (plain) {
                lua_pushcclosure(L, function.func, 1);
                lua_setfield(L, -2, function.name);
            }
            lua_settop(L, table);
        }
    }
    lua_pop(L, 2);
}

}  // namespace coir
