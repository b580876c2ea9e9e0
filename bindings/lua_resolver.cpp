#include "bindings/lua_resolver.hpp"

#include "bindings/lua_fiber.hpp"

namespace coir {

namespace {

int resolver_gc(lua_State* L) {
    Home& home = home_of(L);
    if (home.resolver == lua_touserdata(L, 1)) {
        home.resolver->~Resolver();
        home.resolver = nullptr;
    }
    return 0;
}

bool make_resolver(void* place, Scheduler& scheduler) try {
    new (place) Resolver(scheduler);
    return true;
} catch (const std::bad_alloc&) {
    return false;
}

}  // namespace

Resolver& resolver_of(lua_State* L) {
    Home& home = home_of(L);
    if (home.resolver != nullptr) return *home.resolver;
    void* place = lua_newuserdatauv(L, sizeof(Resolver), 0);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, resolver_gc);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    luaL_ref(L, LUA_REGISTRYINDEX);
    if (!make_resolver(place, *home.scheduler)) luaL_error(L, "not enough memory");
    home.resolver = static_cast<Resolver*>(place);
    return *home.resolver;
}

int fail_look_up(lua_State* L, Error error, std::string_view message) {
    check_raise(L, error);
    if (LuaFiber* fiber = running_fiber(L)) fiber->module_errno = error.code();
    return message.empty() ? push_failure(L, error) : push_failure_text(L, error, message);
}

}  // namespace coir
