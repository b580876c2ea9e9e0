#include "bindings/lua_hooks.hpp"

#include "bindings/lua_fiber.hpp"
#include "bindings/lua_resolver.hpp"
#include "runtime/hooks/hooks.hpp"

namespace coir {

namespace {

// Nobody knows which coroutine of the fiber has called the library, so the traceback of a fiber
// that is parked in one begins at the fiber's own Lua thread.
bool may_wait(Fiber& fiber) {
    if (fiber.owner == nullptr) return true;
    auto& own = static_cast<LuaFiber&>(fiber);
    if (inside_finalizer(own.thread())) return false;
    own.waiter = nullptr;
    return true;
}

int find_resolver(lua_State* L) {
    lua_pushlightuserdata(L, &resolver_of(L));
    return 1;
}

// On the service thread: which Lua thread has called the library is not known. nullptr without
// memory.
Resolver* resolver_for(Fiber& fiber) {
    if (fiber.owner == nullptr) return nullptr;
    lua_State* service = static_cast<Home*>(fiber.owner)->service;
    lua_pushcfunction(service, find_resolver);
    Resolver* found = nullptr;
    if (lua_pcall(service, 0, 1, 0) == LUA_OK)
        found = static_cast<Resolver*>(lua_touserdata(service, -1));
    lua_pop(service, 1);
    return found;
}

// hooks([on]) -> {[name] = {parked =, passed =}}
int hooks(lua_State* L) {
    if (!lua_isnoneornil(L, 1)) {
        luaL_checktype(L, 1, LUA_TBOOLEAN);
        hooks::enable(lua_toboolean(L, 1) != 0);
    }
    auto n = static_cast<int>(hooks::count_of_hooks());
    lua_createtable(L, 0, n);
    for (int i = 0; i < n; ++i) {
        hooks::Count count = hooks::count(static_cast<std::size_t>(i));
        lua_createtable(L, 0, 2);
        lua_pushinteger(L, static_cast<lua_Integer>(count.parked));
        lua_setfield(L, -2, "parked");
        lua_pushinteger(L, static_cast<lua_Integer>(count.passed));
        lua_setfield(L, -2, "passed");
        lua_setfield(L, -2, count.name);
    }
    return 1;
}

int open_hooks(lua_State* L) {
    lua_pushcfunction(L, hooks);
    return 1;
}

}  // namespace

void preload_hooks(lua_State* L, bool on) {
    hooks::enable(on);
    hooks::Host host;
    host.may_wait = may_wait;
    host.resolver = resolver_for;
    hooks::set_host(host);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushcfunction(L, open_hooks);
    lua_setfield(L, -2, "coir.hooks");
    lua_pop(L, 1);
}

}  // namespace coir
