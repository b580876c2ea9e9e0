// lua_wait.hpp: how a binding waits.
//
// A function that may wait begins with begin_wait(), before it changes anything. Then it calls what
// waits, in C++; or, where it has nothing on the C stack that has to stay, wait_on().
#pragma once

#include "bindings/lua_fiber.hpp"

namespace coir {

// Whether the running fiber is inside a finalizer. To ask the collector takes longer.
inline bool inside_finalizer(lua_State* L, const LuaFiber& fiber) {
    return !fiber.is_in_lua(L) && inside_finalizer(L);
}

// Raises what keeps L from waiting now.
void refuse_wait(lua_State* L);

// Every binding that can wait begins here: refuses outside a fiber and inside a finalizer, raises
// in a cancelled fiber, and notes which Lua thread is about to wait.
inline void begin_wait(lua_State* L) {
    LuaFiber* fiber = running_fiber(L);
    if (fiber == nullptr || fiber->cancelled() || inside_finalizer(L, *fiber)) refuse_wait(L);
    fiber->waiter = L;
}

// Whether an operation that does not wait may go on without begin_wait().
inline bool proceeds(lua_State* L) {
    return running_fiber(L) != nullptr && scheduler_of(L).proceeds();
}

// Whether the running fiber goes on in L, whose continuation was called. A C library may have
// resumed L by itself, with something above the `count` values that were there: that is dropped,
// and L has to yield again.
inline bool goes_on(lua_State* L, lua_KContext count) {
    const LuaFiber* fiber = running_fiber(L);
    if (fiber != nullptr && fiber->thread() == L) return true;
    lua_settop(L, static_cast<int>(count));
    return false;
}

// What a function does when its wait has ended: pushes its results.
using Ended = int (*)(lua_State* L, Error woken_by);

template <Ended ended>
int wait_over(lua_State* L, int, lua_KContext count) {
    if (!goes_on(L, count)) return lua_yieldk(L, 0, count, wait_over<ended>);
    return ended(L, scheduler_of(L).rested());
}

// Waits on the list, which must live as long as L's function is called. In a crowd, or if `rests`,
// the fiber keeps no C stack where that can be.
template <Ended ended>
int wait_on(lua_State* L, WaitList& list, Deadline deadline, bool rests = false) {
    Scheduler& scheduler = scheduler_of(L);
    rests = (rests || scheduler.crowded()) && running_fiber(L)->is_in_lua(L);
    if (!rests) return ended(L, scheduler.park(list, deadline));
    if (Error error = scheduler.rest(list, deadline)) return ended(L, error);
    return lua_yieldk(L, 0, lua_gettop(L), wait_over<ended>);
}

// Notes what the running fiber will touch when the C function that L runs goes on after a wait:
// Lua's thread, call records and stack, and what the caller knows of.
void note_touched(lua_State* L, Fiber& fiber, Fiber::Touched one, Fiber::Touched another);

}  // namespace coir
