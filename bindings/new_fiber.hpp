// new_fiber.hpp: how a fiber for a Lua function is made.
#pragma once

#include "bindings/lua_fiber.hpp"

namespace coir {

// Pushes the handle of a fiber to come.
void push_new_handle(lua_State* L, int user_values = FiberHandle::user_values);

// Where a new fiber will be.
struct FiberPlace {
    // Takes all that can be short, for a fiber of `size` bytes. Error: ENOMEM.
    Error take(lua_State* L, int arguments, std::size_t size);
    // Gives it to the fiber that was made there, with the function. Cannot fail.
    void give(lua_State* L, int function, LuaFiber& fiber) const;

    LuaFiber::Birth birth;
    void* memory;
};

// Makes a fiber that will call the function at `function`, above its handle, with the arguments
// that follow. They are popped, and the fiber must be started. `what` is for T, which is destroyed
// with the fiber. Error: ENOMEM; nothing has changed then.
template <class T, class... What>
Result<T*> make_fiber(lua_State* L, int function, What&... what) {
    FiberPlace place;
    if (Error error = place.take(L, lua_gettop(L) - function, sizeof(T))) return error;
    auto* fiber = new (place.memory) T(place.birth, what...);
    place.give(L, function, *fiber);
    return fiber;
}

// Notes where the function that has called L's makes the fiber, for people.
void note_creator(lua_State* L, LuaFiber& fiber);

// Starts a new fiber: at once, but nobody runs while a finalizer does, or after those that are
// ready.
void start_new_fiber(lua_State* L, LuaFiber& fiber, bool now);

// Makes a new fiber that will call main(L) on the state's main Lua thread, which L must be. It
// lives as long as the state.
LuaFiber& make_main_fiber(lua_State* L, int (*main)(lua_State* L));

}  // namespace coir
