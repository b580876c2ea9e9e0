#include "bindings/lua_fiber.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <new>
#include <utility>

#include "bindings/lua_failure.hpp"
#include "bindings/lua_heap.hpp"
#include "runtime/address.hpp"

namespace coir {

namespace {

// Keeps the thread for fibers to come if there is room. Cannot fail.
void release_thread(Home& home, Home::IdleThread thread) {
    if (home.idle_count < Home::idle_limit) {
        home.idle[home.idle_count++] = thread;
        return;
    }
    lua_pushinteger(home.shared, home.free_slot);
    lua_rawseti(home.shared, Home::threads, thread.slot);
    home.free_slot = thread.slot;
}

void destroy(Home& home, LuaFiber& fiber) {
    std::size_t bytes = fiber.bytes;
    fiber.~LuaFiber();
    LuaHeap::allocate(home.fiber_memory, &fiber, bytes, 0);
    // To look for free pages while a crowd is leaving would hold it up.
    if (home.fiber_memory->used() == 0) home.fiber_memory->when_due();
}

// pack(...): makes them the outcome of the running fiber.
int pack(lua_State* L) {
    int n = lua_gettop(L);
    lua_createtable(L, n, 0);
    lua_insert(L, 1);
    for (int i = n; i > 0; --i) lua_rawseti(L, 1, i);
    push_fiber(L, *running_fiber(L));
    lua_insert(L, 1);
    lua_setiuservalue(L, 1, FiberHandle::outcome_value);
    return 0;
}

int raise_too_many(lua_State* L) { return luaL_error(L, "too many results"); }

}  // namespace

void LuaFiber::body() {
    call();
    if (state() == State::running) returned();
}

// Calls the function with its arguments, which are all that is on the thread's stack, or goes on in
// it, until it has ended or rests. What comes of it goes into the handle, an error is printed if
// nobody can join, and the thread's stack is empty then.
void LuaFiber::call() {
    lua_State* L = thread();
    int count;
    int arguments = lua_status(L) == LUA_OK ? lua_gettop(L) - 1 : 0;
    // There is no function when somebody has closed it.
    int status = lua_resume(L, nullptr, std::max(arguments, 0), &count);
    if (state() != State::running) return;
    if (status == LUA_OK) {
        if (handle->joinable) keep_results();
    } else {
        unwind(status);
        keep_failure();
    }
    lua_settop(L, 0);
}

// Closes what the body has left open. Leaves the error that ends the fiber on the thread's stack:
// the body's own, one that was raised on the way out, or that C code has yielded.
void LuaFiber::unwind(int status) {
    lua_State* L = thread();
    if (status == LUA_YIELD) lua_pushstring(L, stray_yield);
    keep_traceback(*this);
    if (lua_status(L) == LUA_OK) return;  // somebody has closed it: it could not go on
    if (lua_resetthread(L) == LUA_OK) lua_pushstring(L, stray_yield);
}

// Moves the results, which are all that is on the thread's stack, to the handle.
void LuaFiber::keep_results() {
    lua_State* L = thread();
    int n = handle->results = lua_gettop(L);
    if (n == 0) return;
    bool room = lua_checkstack(L, LUA_MINSTACK) != 0;
    if (!room) {
        lua_settop(L, 0);
        n = 0;
    }
    if (n == 1) {
        push_fiber(L, *this);
        lua_insert(L, -2);
        lua_setiuservalue(L, -2, FiberHandle::outcome_value);
        handle->outcome = FiberHandle::Outcome::value;
        return;
    }
    lua_pushcfunction(L, room ? pack : raise_too_many);
    lua_insert(L, 1);
    if (lua_pcall(L, n, 0, 0) == LUA_OK) {
        handle->outcome = FiberHandle::Outcome::table;
    } else {
        keep_failure();
    }
}

// The error is on top of the thread's stack. A join gets it, whatever there is no memory for then.
void LuaFiber::keep_failure() {
    lua_State* L = thread();
    handle->failed = true;
    push_fiber(L, *this);
    lua_getiuservalue(L, -1, FiberHandle::outcome_value);
    if (handle->joinable) {
        lua_pushvalue(L, -3);
        lua_setiuservalue(L, -3, FiberHandle::outcome_value);
        handle->outcome = FiberHandle::Outcome::value;
    }
    lua_remove(L, -2);
    lua_pushcfunction(L, keep_error);
    lua_insert(L, -3);
    if (lua_pcall(L, 2, 0, 0) != LUA_OK) lua_pop(L, 1);
}

void LuaFiber::ended() {
    auto& home = *static_cast<Home*>(owner);
    leave_home();
    release_thread(home, {thread(), slot});
    destroy(home, *this);
}

// Outside any protected call: nothing here may allocate.
void LuaFiber::leave_home() {
    auto& home = *static_cast<Home*>(owner);
    lua_State* shared = home.shared;
    handle->fiber = nullptr;
    handle->switches = switches();
    if (has_storage) {
        lua_rawgeti(shared, Home::handles, slot);
        lua_pushnil(shared);
        lua_setiuservalue(shared, -2, FiberHandle::storage_value);
        lua_pop(shared, 1);
    }
    lua_pushboolean(shared, 0);
    lua_rawseti(shared, Home::handles, slot);  // this may have been the last reference
    home.fibers.erase(*this);
}

std::string_view LuaFiber::shown_name(NameRoom&) const {
    return named ? std::string_view(name()) : "lua";
}

bool LuaFiber::try_set_name(std::string_view name) {
    try {
        set_name(std::string(name));
        named = true;
        return true;
    } catch (const std::bad_alloc&) {
        return false;
    }
}

// -- Looking --------------------------------------------------------------------------------------

FiberHandle& check_fiber(lua_State* L, int index) {
    return check_object<FiberHandle>(L, index, "fiber");
}

LuaFiber& check_running_fiber(lua_State* L) {
    LuaFiber* fiber = running_fiber(L);
    if (fiber == nullptr) luaL_error(L, "not inside a fiber");
    return *fiber;
}

LuaFiber& check_living_fiber(lua_State* L, int index) {
    FiberHandle& handle = check_fiber(L, index);
    if (handle.fiber == nullptr) luaL_error(L, "the fiber is dead");
    return *handle.fiber;
}

void push_fiber(lua_State* L, const LuaFiber& fiber) {
    lua_State* shared = home_of(L).shared;
    lua_rawgeti(shared, Home::handles, fiber.slot);
    lua_xmove(shared, L, 1);
}

void push_waiting(lua_State* L, const LuaFiber& fiber) {
    const WaitList& list = *fiber.waiting_on();
    lua_pushstring(L, list.what());
    if (list.fd() >= 0) {
        lua_pushfstring(L, " fd %d", list.fd());
        lua_concat(L, 2);
        Address peer;
        socklen_t* size = peer.room_size();
        if (::getpeername(list.fd(), peer.room(), size) == 0) {
            Address::Text text = peer.text();
            lua_pushliteral(L, " peer ");
            push_view(L, text.view());
            lua_concat(L, 3);
        }
    }
    double waited = seconds_between(fiber.waiting_since(), Clock::now());
    char times[64];
    int size = std::snprintf(times, sizeof times, ", %.1f s", waited);
    if (fiber.waiting_until() != never) {
        double whole = seconds_between(fiber.waiting_since(), fiber.waiting_until());
        std::snprintf(times + size, sizeof times - static_cast<std::size_t>(size), " of %.1f s",
                      whole);
    }
    lua_pushstring(L, times);
    lua_concat(L, 2);
}

// Pushes where a fiber failed.
static void push_last_traceback(lua_State* L, const FiberHandle& handle, int index) {
    lua_getiuservalue(L, index, FiberHandle::outcome_value);
    if (handle.outcome == FiberHandle::Outcome::failure) take_failure_traceback(L);
    bool known = handle.failed && handle.outcome != FiberHandle::Outcome::value;
    if (known && lua_type(L, -1) == LUA_TSTRING) return;
    lua_pop(L, 1);
    lua_pushliteral(L, "");
}

// A fiber that waits inside coroutines is shown from the innermost one outwards.
void push_traceback(lua_State* L, int index) {
    index = lua_absindex(L, index);
    FiberHandle& handle = check_fiber(L, index);
    if (handle.fiber == nullptr) return push_last_traceback(L, handle, index);
    LuaFiber& fiber = *handle.fiber;
    bool running = &fiber == running_fiber(L);
    lua_State* innermost = running ? L : fiber.waiting_thread();
    if (innermost == nullptr) innermost = fiber.thread();
    luaL_traceback(L, innermost, nullptr, innermost == L ? 1 : 0);
    if (innermost == fiber.thread()) return;
    luaL_traceback(L, fiber.thread(), "\nin coroutine of", 0);
    lua_concat(L, 2);
}

}  // namespace coir
