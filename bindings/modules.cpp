// modules.cpp: makes coir's modules known to require().
#include "bindings/home.hpp"
#include "bindings/lua_modules.hpp"

namespace coir {

namespace {

// Loads the embedded module whose place in the list is the upvalue.
int load_embedded(lua_State* L) {
    const EmbeddedModule& module =
        embedded_modules()[static_cast<std::size_t>(lua_tointeger(L, lua_upvalueindex(1)))];
    lua_pushfstring(L, "@%s.lua", module.name);
    const char* text = reinterpret_cast<const char*>(module.text);
    if (luaL_loadbufferx(L, text, module.size, lua_tostring(L, -1), "t") != LUA_OK) lua_error(L);
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

// `errno` is `coir.errno`, and so on.
int load_alias(lua_State* L) {
    lua_getglobal(L, "require");
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_call(L, 1, 1);
    return 1;
}

}  // namespace

void preload_modules(lua_State* L, bool short_names) {
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    static const luaL_Reg own[] = {{"coir.dns", open_dns},
                                   {"coir.errno", open_errno},
                                   {"coir.fiber", open_fiber},
                                   {"coir.socket", open_socket_core},
                                   {"coir.luasocket.core", open_luasocket_core},
                                   {nullptr, nullptr}};
    luaL_setfuncs(L, own, 0);
    // `coir.luasocket` is the table of `coir.socket`, with LuaSocket's functions added.
    static const struct {
        const char* name;
        const char* module;
    } aliases[] = {{"errno", "coir.errno"},
                   {"fiber", "coir.fiber"},
                   {"socket", "coir.luasocket"},
                   {"socket.core", "coir.luasocket"},
                   {"socket.unix", "coir.luasocket.unix"}};
    for (auto [name, module] : aliases) {
        if (!short_names) break;
        lua_pushstring(L, module);
        lua_pushcclosure(L, load_alias, 1);
        lua_setfield(L, -2, name);
    }
    std::size_t place = 0;
    for (const EmbeddedModule& module : embedded_modules()) {
        lua_pushinteger(L, static_cast<lua_Integer>(place++));
        lua_pushcclosure(L, load_embedded, 1);
        lua_setfield(L, -2, module.name);
    }
    lua_pop(L, 1);
}

}  // namespace coir
