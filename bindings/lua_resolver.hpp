// lua_resolver.hpp: the state's resolver, and C++ objects that Lua's collector looks after.
#pragma once

#include <new>

#include "bindings/home.hpp"
#include "runtime/resolver.hpp"

namespace coir {

// The resolver of this state, made at the first call. Raises for lack of memory.
Resolver& resolver_of(lua_State* L);

// socket.getaddrinfo()
int socket_getaddrinfo(lua_State* L);

// Pushes an empty T that lives for as long as Lua refers to it, so that Lua may raise while it is
// in use.
template <class T>
T& push_owned(lua_State* L) {
    static const char key = 0;  // its address names the metatable of this T
    T& object = *new (lua_newuserdatauv(L, sizeof(T), 0)) T();
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &key) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_createtable(L, 0, 1);
        lua_pushcfunction(L, [](lua_State* state) {
            auto* old = static_cast<T*>(lua_touserdata(state, 1));
            old->~T();
            new (old) T();  // another finalizer may still see it
            return 0;
        });
        lua_setfield(L, -2, "__gc");
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &key);
    }
    lua_setmetatable(L, -2);
    return object;
}

// Ends a module function that failed: raises for cancellation and interruption; otherwise pushes
// nil, the message (without one, the error's text) and the code, and remembers it for
// socket.errno().
int fail_look_up(lua_State* L, Error error, std::string_view message);

}  // namespace coir
