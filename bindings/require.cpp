// require.cpp: Lua's require() for modules whose loading may wait.
//
// While one fiber loads a module, others that require it wait for that fiber instead of loading it
// once more; when the load fails, the next of them tries. Otherwise it does what the manual says of
// require (Lua 5.4, section 6.3). It is no wrapper: the frame of one would show in the positions of
// errors.
#include <new>

#include "bindings/home.hpp"
#include "bindings/lua_wait.hpp"

namespace coir {

namespace {

// The upvalues of require() and of release_claim(). `loads` holds [name] = id of the fiber that
// loads the module, and [id] = name of the module that the fiber waits for; `ended` is the list of
// those that wait.
constexpr int loads = lua_upvalueindex(1);
constexpr int ended = lua_upvalueindex(2);
constexpr int claim_class = lua_upvalueindex(3);
constexpr int package = lua_upvalueindex(4);

WaitList& waiters(lua_State* L) { return *static_cast<WaitList*>(lua_touserdata(L, ended)); }

// The id of the fiber that loads the module, or 0.
lua_Integer loader_of(lua_State* L, const char* name) {
    lua_getfield(L, loads, name);
    lua_Integer id = lua_tointeger(L, -1);
    lua_pop(L, 1);
    return id;
}

// Whether the fiber `other` waits, perhaps for one that waits itself, for a module that `self`
// loads.
bool waits_for(lua_State* L, lua_Integer other, lua_Integer self) {
    while (other != 0 && other != self) {
        lua_rawgeti(L, loads, other);
        const char* name = lua_tostring(L, -1);  // the table keeps it alive
        lua_pop(L, 1);
        other = name == nullptr ? 0 : loader_of(L, name);
    }
    return other == self;
}

// Waits until somebody's load has ended, well or not.
void await_load(lua_State* L, const char* name, lua_Integer self) {
    begin_wait(L);
    lua_pushstring(L, name);
    lua_rawseti(L, loads, self);
    Error error = scheduler_of(L).park(waiters(L), never);
    lua_pushnil(L);
    lua_rawseti(L, loads, self);
    check_raise(L, error);
}

// Pushes what is in package.loaded, if it is a true value; else returns false, and nobody else
// loads the module.
bool push_loaded(lua_State* L, const char* name, lua_Integer self) {
    for (;;) {
        lua_getfield(L, 2, name);
        if (lua_toboolean(L, -1)) return true;
        lua_pop(L, 1);
        lua_Integer other = loader_of(L, name);
        if (other == 0 || other == self) return false;
        if (waits_for(L, other, self)) {
            luaL_error(L, "module '%s' is being loaded by fiber %I, which waits for this fiber",
                       name, static_cast<LUAI_UACINT>(other));
        }
        await_load(L, name, self);
    }
}

// __close of a claim, whose user value is the name of the module.
int release_claim(lua_State* L) {
    lua_getiuservalue(L, 1, 1);
    lua_pushnil(L);
    lua_rawset(L, loads);
    scheduler_of(L).wake_all(waiters(L));
    return 0;
}

// Says that this fiber loads the module until the running function is left, one way or the other.
void claim(lua_State* L, const char* name, lua_Integer self) {
    if (self == 0 || loader_of(L, name) == self) return;
    lua_newuserdatauv(L, 0, 1);
    lua_pushstring(L, name);
    lua_setiuservalue(L, -2, 1);
    lua_pushvalue(L, claim_class);
    lua_setmetatable(L, -2);
    lua_toclose(L, -1);
    lua_pushinteger(L, self);
    lua_setfield(L, loads, name);
}

// Pushes the loader that the first searcher to know the module gives, and the value that goes with
// it.
void push_loader(lua_State* L, const char* name) {
    if (lua_getfield(L, package, "searchers") != LUA_TTABLE) {
        luaL_error(L, "'package.searchers' must be a table");
    }
    int searchers = lua_gettop(L);
    lua_pushfstring(L, "module '%s' not found:", name);
    for (lua_Integer i = 1; lua_rawgeti(L, searchers, i) != LUA_TNIL; ++i) {
        lua_pushstring(L, name);
        lua_call(L, 1, 2);
        if (lua_isfunction(L, -2)) return;
        lua_pop(L, 1);
        if (lua_isstring(L, -1)) {
            lua_pushliteral(L, "\n\t");
            lua_insert(L, -2);
            lua_concat(L, 3);
        } else {
            lua_pop(L, 1);
        }
    }
    luaL_error(L, "%s", lua_tostring(L, -2));
}

// Pushes the module: what its loader returned, else what it put into package.loaded, else true.
void push_module(lua_State* L, const char* name) {
    if (!lua_isnil(L, -1)) lua_setfield(L, 2, name);
    if (lua_getfield(L, 2, name) != LUA_TNIL) return;
    lua_pushboolean(L, true);
    lua_pushvalue(L, -1);
    lua_setfield(L, 2, name);
}

// require(name) -> the module, and what the searcher gave to its loader
int require(lua_State* L) {
    const char* name = luaL_checkstring(L, 1);
    lua_settop(L, 1);
    lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    const LuaFiber* fiber = running_fiber(L);
    lua_Integer self = fiber == nullptr ? 0 : static_cast<lua_Integer>(fiber->id());
    if (push_loaded(L, name, self)) return 1;
    claim(L, name, self);
    push_loader(L, name);
    int data = lua_gettop(L);
    lua_pushvalue(L, data - 1);
    lua_pushvalue(L, 1);
    lua_pushvalue(L, data);
    lua_call(L, 2, 1);
    push_module(L, name);
    lua_pushvalue(L, data);
    return 2;
}

}  // namespace

void install_require(lua_State* L) {
    int top = lua_gettop(L);
    lua_newtable(L);
    new (lua_newuserdatauv(L, sizeof(WaitList), 0)) WaitList("require");
    lua_createtable(L, 0, 1);
    lua_pushvalue(L, top + 1);
    lua_pushvalue(L, top + 2);
    lua_pushcclosure(L, release_claim, 2);
    lua_setfield(L, -2, "__close");
    lua_getglobal(L, LUA_LOADLIBNAME);
    lua_pushcclosure(L, require, 4);
    lua_setglobal(L, "require");
}

}  // namespace coir
