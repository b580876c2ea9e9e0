// lua_fiber_module.cpp: the Lua module coir.fiber, and the methods of a fiber's handle.
#include <cstring>

#include "bindings/indexed_value.hpp"
#include "bindings/lua_failure.hpp"
#include "bindings/lua_wait.hpp"
#include "bindings/new_fiber.hpp"
#include "bindings/lua_sync.hpp"

namespace coir {

namespace {

// Pushes the handle of the living fiber with this id, or nil.
LuaFiber* push_found(lua_State* L, lua_Integer id) {
    LuaFiber* fiber = home_of(L).fibers.find(static_cast<std::uint64_t>(id));
    if (fiber == nullptr) {
        lua_pushnil(L);
    } else {
        push_fiber(L, *fiber);
    }
    return fiber;
}

// The living fiber that argument `index` says, by handle or by id.
LuaFiber& check_fiber_or_id(lua_State* L, int index) {
    if (lua_type(L, index) != LUA_TNUMBER) return check_living_fiber(L, index);
    LuaFiber* fiber = push_found(L, luaL_checkinteger(L, index));
    if (fiber == nullptr) luaL_error(L, "the fiber is dead");
    lua_replace(L, index);
    return *fiber;
}

// The handle at `index`, or without one that of the running fiber.
FiberHandle& opt_fiber(lua_State* L, int index) {
    return lua_isnoneornil(L, index) ? *check_running_fiber(L).handle : check_fiber(L, index);
}

// -- Starting -------------------------------------------------------------------------------------

enum class Start { queued, now, joinable };

int start_fiber(lua_State* L, Start how) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    push_new_handle(L);
    lua_insert(L, 1);
    Result<LuaFiber*> fiber = make_fiber<LuaFiber>(L, 2);
    if (!fiber) {
        return push_failure(L, fiber.error(), "cannot start a fiber (%I alive)",
                            static_cast<LUAI_UACINT>(scheduler_of(L).fibers()));
    }
    (*fiber)->handle->joinable = how == Start::joinable;
    note_creator(L, **fiber);
    start_new_fiber(L, **fiber, how == Start::now);
    return 1;
}

int fiber_create(lua_State* L) { return start_fiber(L, Start::now); }
int fiber_new(lua_State* L) { return start_fiber(L, Start::queued); }
int fiber_spawn(lua_State* L) { return start_fiber(L, Start::joinable); }

// -- Waiting --------------------------------------------------------------------------------------

int fiber_yield(lua_State* L) {
    begin_wait(L);
    check_raise(L, scheduler_of(L).yield());
    return 0;
}

// To wake at the moment asked for is no error.
int sleep_ended(lua_State* L, Error error) {
    if (!error || error == std::errc::timed_out) return 0;
    check_raise(L, error);
    return push_failure(L, error);
}

int fiber_sleep(lua_State* L) {
    luaL_checknumber(L, 1);
    double seconds = opt_seconds(L, 1);
    begin_wait(L);
    Scheduler& scheduler = scheduler_of(L);
    if (seconds <= 0) return sleep_ended(L, scheduler.yield());
    LuaFiber& fiber = *running_fiber(L);
    if (fiber.is_in_lua(L)) note_touched(L, fiber, {fiber.handle, 1}, {nullptr, 0});
    return wait_on<sleep_ended>(L, scheduler.sleepers(), deadline_after(seconds), true);
}

// Pushes what has come of the dead fiber at index 1.
int push_outcome(lua_State* L, const FiberHandle& handle) {
    using Outcome = FiberHandle::Outcome;
    lua_pushboolean(L, !handle.failed);
    if (handle.outcome == Outcome::none) return 1;
    lua_getiuservalue(L, 1, FiberHandle::outcome_value);
    if (handle.outcome == Outcome::failure) take_failure(L);
    if (handle.outcome != Outcome::table) return 2;
    int table = lua_gettop(L);
    luaL_checkstack(L, handle.results, "too many results");
    for (int i = 1; i <= handle.results; ++i) lua_rawgeti(L, table, i);
    lua_remove(L, table);
    return handle.results + 1;
}

int fiber_join(lua_State* L) {
    if (lua_type(L, 1) == LUA_TNUMBER) check_fiber_or_id(L, 1);
    FiberHandle& handle = check_fiber(L, 1);
    Deadline deadline = opt_timeout(L, 2);
    if (!handle.joinable) {
        luaL_error(L, handle.fiber == nullptr ? "the fiber is dead" : "the fiber is not joinable");
    }
    begin_wait(L);
    if (handle.fiber != nullptr) {
        if (handle.fiber == running_fiber(L)) luaL_error(L, "cannot join itself");
        Error error = scheduler_of(L).join(*handle.fiber, deadline);
        check_raise(L, error);
        if (error) {
            bool late = error == std::errc::timed_out;
            lua_pushboolean(L, false);
            lua_pushstring(L, late ? "timed out" : std::strerror(error.code()));
            lua_pushinteger(L, error.code());
            return 3;
        }
        if (!handle.joinable) luaL_error(L, "the fiber is not joinable");  // meanwhile
    }
    return push_outcome(L, handle);
}

// -- Cancelling and waking ------------------------------------------------------------------------

int fiber_cancel(lua_State* L) {
    LuaFiber& fiber = check_fiber_or_id(L, 1);
    scheduler_of(L).cancel(fiber);
    if (&fiber == running_fiber(L)) raise_cancelled(L);
    return 0;
}

int fiber_testcancel(lua_State* L) {
    luaL_argcheck(L, lua_gettop(L) == 0, 1, "no argument expected");
    if (check_running_fiber(L).cancelled()) raise_cancelled(L);
    return 0;
}

int handle_testcancel(lua_State* L) {
    if (check_living_fiber(L, 1).cancelled()) raise_cancelled(L);
    return 0;
}

int fiber_is_cancelled(lua_State* L) {
    luaL_checkany(L, 1);
    lua_pushboolean(L, is_cancelled(L, 1));
    return 1;
}

// Ends a sleep or a wait for a condition variable; every other wait goes on.
int fiber_wakeup(lua_State* L) {
    LuaFiber& fiber = check_fiber_or_id(L, 1);
    const WaitList* list = fiber.waiting_on();
    if (list != nullptr && list->wakeable()) scheduler_of(L).wake(fiber);
    return 0;
}

// -- Looking --------------------------------------------------------------------------------------

int fiber_self(lua_State* L) {
    push_fiber(L, check_running_fiber(L));
    return 1;
}

int fiber_id(lua_State* L) {
    lua_pushinteger(L, static_cast<lua_Integer>(opt_fiber(L, 1).id));
    return 1;
}

int fiber_find(lua_State* L) {
    push_found(L, luaL_checkinteger(L, 1));
    return 1;
}

int fiber_status(lua_State* L) {
    lua_pushstring(L, status_text(opt_fiber(L, 1)));
    return 1;
}

int fiber_csw(lua_State* L) {
    const FiberHandle& handle = opt_fiber(L, 1);
    std::uint64_t n = handle.fiber == nullptr ? handle.switches : handle.fiber->switches();
    lua_pushinteger(L, static_cast<lua_Integer>(n));
    return 1;
}

int fiber_set_joinable(lua_State* L) {
    LuaFiber& fiber = check_living_fiber(L, 1);
    luaL_checktype(L, 2, LUA_TBOOLEAN);
    fiber.handle->joinable = lua_toboolean(L, 2) != 0;
    return 0;
}

// name([fiber][, new[, {truncate = true}]])
int fiber_name(lua_State* L) {
    if (!lua_isuserdata(L, 1)) {
        push_fiber(L, check_running_fiber(L));
        lua_insert(L, 1);
    }
    LuaFiber& fiber = check_living_fiber(L, 1);
    if (lua_isnoneornil(L, 2)) {
        push_fiber_name(L, fiber);
        return 1;
    }
    std::string_view name = check_string(L, 2);
    if (name.size() > LuaFiber::longest_name) {
        bool truncate = lua_istable(L, 3) && lua_getfield(L, 3, "truncate") && lua_toboolean(L, -1);
        if (!truncate) luaL_error(L, "Fiber name is too long");
        name = name.substr(0, LuaFiber::longest_name);
    }
    bool done = fiber.try_set_name(name);
    if (!done) luaL_error(L, "not enough memory");
    return 0;
}

// -- The handle -----------------------------------------------------------------------------------

int handle_tostring(lua_State* L) {
    const FiberHandle& handle = check_fiber(L, 1);
    lua_pushfstring(L, handle.fiber == nullptr ? "fiber: %I (dead)" : "fiber: %I",
                    static_cast<LUAI_UACINT>(handle.id));
    return 1;
}

// What a handle has that is no method: `storage`, which is made on demand.
int handle_field(lua_State* L) {
    if (!push_indexed_value(L, "storage") || test_object<FiberHandle>(L, -1) == nullptr) return 0;
    lua_replace(L, 1);
    LuaFiber& fiber = check_living_fiber(L, 1);
    if (lua_getiuservalue(L, 1, FiberHandle::storage_value) == LUA_TTABLE) return 1;
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, 1, FiberHandle::storage_value);
    fiber.has_storage = true;
    return 1;
}

const luaL_Reg methods[] = {{"id", fiber_id},
                            {"name", fiber_name},
                            {"status", fiber_status},
                            {"cancel", fiber_cancel},
                            {"wakeup", fiber_wakeup},
                            {"join", fiber_join},
                            {"set_joinable", fiber_set_joinable},
                            {"testcancel", handle_testcancel},
                            {"csw", fiber_csw},
                            {nullptr, nullptr}};

const luaL_Reg functions[] = {{"create", fiber_create},
                              {"wrap", fiber_create},
                              {"new", fiber_new},
                              {"spawn", fiber_spawn},
                              {"self", fiber_self},
                              {"id", fiber_id},
                              {"find", fiber_find},
                              {"status", fiber_status},
                              {"name", fiber_name},
                              {"yield", fiber_yield},
                              {"sleep", fiber_sleep},
                              {"kill", fiber_cancel},
                              {"cancel", fiber_cancel},
                              {"testcancel", fiber_testcancel},
                              {"is_cancelled", fiber_is_cancelled},
                              {"wakeup", fiber_wakeup},
                              {"join", fiber_join},
                              {"set_joinable", fiber_set_joinable},
                              {nullptr, nullptr}};

}  // namespace

int open_fiber(lua_State* L) {
    guard_coroutines(L);
    luaL_newlib(L, functions);
    push_shared(L, Home::fiber_metatable);
    push_roomy_table(L, 16);
    luaL_setfuncs(L, methods, 0);
    add_fiber_report_methods(L);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, handle_field);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, handle_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pop(L, 1);
    make_failure_class(L);
    add_fiber_reports(L);
    open_sync(L);
    open_channel(L);
    return 1;
}

}  // namespace coir
