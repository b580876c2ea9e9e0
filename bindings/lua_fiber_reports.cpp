// lua_fiber_reports.cpp: what the module coir.fiber tells about fibers and time.
#include <ctime>

#include "bindings/lua_fiber.hpp"

namespace coir {

namespace {

// -- Reports --------------------------------------------------------------------------------------

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

// Pushes one row of info().
void push_info(lua_State* L, LuaFiber& fiber, bool backtrace) {
    lua_createtable(L, 0, 10);
    push_fiber_name(L, fiber);
    lua_setfield(L, -2, "name");
    lua_pushinteger(L, static_cast<lua_Integer>(fiber.id()));
    lua_setfield(L, -2, "fid");
    lua_pushinteger(L, static_cast<lua_Integer>(fiber.switches()));
    lua_setfield(L, -2, "csw");
    lua_pushnumber(L, seconds(fiber.ran()));
    lua_setfield(L, -2, "time");
    lua_pushstring(L, status_text(*fiber.handle));
    lua_setfield(L, -2, "status");
    lua_createtable(L, 0, 2);
    lua_pushinteger(L, static_cast<lua_Integer>(fiber.stack_used()));
    lua_setfield(L, -2, "used");
    lua_pushinteger(L, static_cast<lua_Integer>(fiber.stack_size()));
    lua_setfield(L, -2, "total");
    lua_setfield(L, -2, "memory");
    if (fiber.created_line >= 0) {
        lua_pushfstring(L, "%s:%d", fiber.created_source, fiber.created_line);
        lua_setfield(L, -2, "created");
    }
    if (fiber.waiting_on() != nullptr) {
        push_waiting(L, fiber);
        lua_setfield(L, -2, "waiting");
    }
    if (backtrace) {
        push_fiber(L, fiber);
        push_traceback(L, -1);
        lua_remove(L, -2);
        lua_setfield(L, -2, "backtrace");
    }
}

bool wants_backtrace(lua_State* L, int index) {
    if (!lua_istable(L, index)) return false;
    lua_getfield(L, index, "bt");
    lua_getfield(L, index, "backtrace");
    bool wanted = lua_toboolean(L, -1) != 0 || lua_toboolean(L, -2) != 0;
    lua_pop(L, 2);
    return wanted;
}

// Calls visit(fiber) for each living fiber of this Lua state.
template <class Visit>
void for_each_fiber(lua_State* L, Visit visit) {
    Home& home = home_of(L);
    home.scheduler->for_each_fiber([&](Fiber& fiber) {
        if (fiber.owner == &home) visit(static_cast<LuaFiber&>(fiber));
    });
}

int fiber_info(lua_State* L) {
    bool backtrace = wants_backtrace(L, 1);
    lua_newtable(L);
    for_each_fiber(L, [&](LuaFiber& fiber) {
        push_info(L, fiber, backtrace);
        lua_rawseti(L, -2, static_cast<lua_Integer>(fiber.id()));
    });
    return 1;
}

int fiber_own_info(lua_State* L) {
    LuaFiber& fiber = check_living_fiber(L, 1);
    push_info(L, fiber, wants_backtrace(L, 2));
    return 1;
}

int fiber_traceback(lua_State* L) {
    if (lua_isnoneornil(L, 1)) {
        lua_settop(L, 0);
        push_fiber(L, check_running_fiber(L));
    }
    push_traceback(L, 1);
    return 1;
}

// -- Who uses the processor -----------------------------------------------------------------------

int fiber_top_enable(lua_State* L) {
    Home& home = home_of(L);
    if (!home.scheduler->accounting()) home.top_since = home.top_before = Clock::now();
    home.scheduler->set_accounting(true);
    return 0;
}

int fiber_top_disable(lua_State* L) {
    scheduler_of(L).set_accounting(false);
    return 0;
}

double percent(Duration part, Duration whole) {
    return whole.count() <= 0 ? 0 : 100 * seconds(part) / seconds(whole);
}

// Pushes {instant =, average =, time =}.
void push_usage(lua_State* L, LuaFiber& fiber, Deadline now) {
    Home& home = home_of(L);
    const struct {
        const char* name;
        double value;
    } fields[] = {{"instant", percent(fiber.ran() - fiber.ran_before, now - home.top_before)},
                  {"average", percent(fiber.ran(), now - home.top_since)},
                  {"time", seconds(fiber.ran())}};
    lua_createtable(L, 0, 3);
    for (auto [name, value] : fields) {
        lua_pushnumber(L, value);
        lua_setfield(L, -2, name);
    }
    fiber.ran_before = fiber.ran();
}

// top() -> {cpu = {["id/name"] = {instant =, average =, time =}}, cpu_misses = 0}: percent of the
// time since the last call and since top_enable(), and seconds.
int fiber_top(lua_State* L) {
    Home& home = home_of(L);
    if (!home.scheduler->accounting())
        luaL_error(L, "fiber.top() is disabled. Enable it with fiber.top_enable() first");
    Deadline now = Clock::now();
    lua_createtable(L, 0, 2);
    lua_pushinteger(L, 0);
    lua_setfield(L, -2, "cpu_misses");
    lua_newtable(L);
    for_each_fiber(L, [&](LuaFiber& fiber) {
        lua_pushfstring(L, "%I/", static_cast<LUAI_UACINT>(fiber.id()));
        push_fiber_name(L, fiber);
        lua_concat(L, 2);
        push_usage(L, fiber, now);
        lua_rawset(L, -3);
    });
    lua_setfield(L, -2, "cpu");
    home.top_before = now;
    return 1;
}

// -- Clocks ---------------------------------------------------------------------------------------

template <clockid_t id>
lua_Integer nanoseconds() {
    timespec now;
    ::clock_gettime(id, &now);
    return lua_Integer{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

template <clockid_t id>
int clock_seconds(lua_State* L) {
    lua_pushnumber(L, static_cast<double>(nanoseconds<id>()) / 1e9);
    return 1;
}

template <clockid_t id>
int clock_microseconds(lua_State* L) {
    lua_pushinteger(L, nanoseconds<id>() / 1000);
    return 1;
}

}  // namespace

const char* status_text(const FiberHandle& handle) {
    if (handle.fiber == nullptr) return "dead";
    return handle.fiber->state() == Fiber::State::running ? "running" : "suspended";
}

void push_fiber_name(lua_State* L, const LuaFiber& fiber) {
    Fiber::NameRoom room;
    push_view(L, fiber.shown_name(room));
}

void add_fiber_report_methods(lua_State* L) {
    static const luaL_Reg methods[] = {
        {"info", fiber_own_info}, {"traceback", fiber_traceback}, {nullptr, nullptr}};
    luaL_setfuncs(L, methods, 0);
}

void add_fiber_reports(lua_State* L) {
    static const luaL_Reg functions[] = {{"info", fiber_info},
                                         {"traceback", fiber_traceback},
                                         {"top", fiber_top},
                                         {"top_enable", fiber_top_enable},
                                         {"top_disable", fiber_top_disable},
                                         {"time", clock_seconds<CLOCK_REALTIME>},
                                         {"clock", clock_seconds<CLOCK_MONOTONIC>},
                                         {"time64", clock_microseconds<CLOCK_REALTIME>},
                                         {"clock64", clock_microseconds<CLOCK_MONOTONIC>},
                                         {nullptr, nullptr}};
    luaL_setfuncs(L, functions, 0);
}

}  // namespace coir
