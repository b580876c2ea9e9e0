// lua_errno.cpp: the Lua module coir.errno: names and texts of error numbers, and the fiber's own
// errno.
#include <cerrno>
#include <climits>

#include "bindings/home.hpp"
#include "runtime/errno_names.hpp"

namespace coir {

namespace {

int check_errno(lua_State* L, int index) {
    lua_Integer code = luaL_checkinteger(L, index);
    luaL_argcheck(L, code >= INT_MIN && code <= INT_MAX, index, "error number is out of range");
    return static_cast<int>(code);
}

// errno() -> the calling fiber's last error; errno(n) sets it and returns the previous one
int module_call(lua_State* L) {
    int previous = get_errno(L);
    if (lua_gettop(L) > 1) set_errno(L, check_errno(L, 2));
    lua_pushinteger(L, previous);
    return 1;
}

int module_strerror(lua_State* L) {
    int code = get_errno(L);
    if (lua_gettop(L) > 0) code = check_errno(L, 1);
    push_error_text(L, Error(code));
    return 1;
}

int module_newindex(lua_State* L) { return luaL_error(L, "Can't create new errno constants"); }

}  // namespace

// The module is an empty proxy, so that assigning to any name is refused.
int open_errno(lua_State* L) {
    lua_newtable(L);
    lua_createtable(L, 0, 3);
    lua_createtable(L, 0, 160);
    for (const ErrnoName& entry : errno_names()) {
        lua_pushinteger(L, entry.number);
        lua_setfield(L, -2, entry.name);
        if (lua_rawgeti(L, -1, entry.number) == LUA_TNIL) {
            lua_pushstring(L, entry.name);
            lua_rawseti(L, -3, entry.number);
        }
        lua_pop(L, 1);
    }
    lua_pushcfunction(L, module_strerror);
    lua_setfield(L, -2, "strerror");
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, module_call);
    lua_setfield(L, -2, "__call");
    lua_pushcfunction(L, module_newindex);
    lua_setfield(L, -2, "__newindex");
    lua_setmetatable(L, -2);
    return 1;
}

}  // namespace coir
