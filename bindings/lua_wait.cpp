#include "bindings/lua_wait.hpp"

namespace coir {

void refuse_wait(lua_State* L) {
    LuaFiber* fiber = running_fiber(L);
    if (fiber == nullptr) luaL_error(L, "cannot wait outside a fiber");
    if (inside_finalizer(L)) luaL_error(L, "cannot wait inside a finalizer");
    fiber->waiter = L;
    (void)scheduler_of(L).checkpoint();  // lets others run, now and then
    raise_cancelled(L);
}

// Of a call record only the address is known and, in all versions of Lua up to now, that it begins
// with the address of the function's place on the Lua stack. All are hints, which may be wrong.
void note_touched(lua_State* L, Fiber& fiber, Fiber::Touched one, Fiber::Touched another) {
    constexpr std::size_t line = 64;
    lua_Debug own, caller;
    if (!lua_getstack(L, 0, &own) || !lua_getstack(L, 1, &caller)) return;
    const char* place = *reinterpret_cast<const char* const*>(own.i_ci);
    const void* const* function = *reinterpret_cast<const void* const* const*>(caller.i_ci);
    fiber.set_touched({{{reinterpret_cast<const char*>(L) + 2 * line, 2},
                        {own.i_ci, 1},
                        {caller.i_ci, 1},
                        {place - line, 4},
                        {*function, 1},
                        one,
                        another}});
}

}  // namespace coir
