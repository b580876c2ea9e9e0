#include "bindings/lua_fiber.hpp"

#include <netinet/in.h>

#include <cstdio>
#include <cstring>
#include <new>

#include "runtime/address.hpp"

namespace coir {

namespace {

// Keeps the traceback in the failed fiber's handle and lets the thrown value itself go on.
int keep_traceback(lua_State* L) {
    LuaFiber* fiber = running_fiber(L);
    if (fiber == nullptr || is_cancelled(L, 1)) return 1;
    push_fiber(L, *fiber);
    luaL_traceback(L, L, nullptr, 1);
    lua_setiuservalue(L, -2, LuaFiber::traceback_value);
    lua_settop(L, 1);
    return 1;
}

int to_text(lua_State* L) {
    luaL_tolstring(L, 1, nullptr);
    return 1;
}

// What to say of the error at `index`, even if its own __tostring raises.
const char* push_message(lua_State* L, int index) {
    lua_pushcfunction(L, to_text);
    lua_pushvalue(L, index);
    if (lua_pcall(L, 1, 1, 0) == LUA_OK) return lua_tostring(L, -1);
    return lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, index));
}

// Called with the error and the fiber's handle.
int print_error(lua_State* L) {
    auto& fiber = *static_cast<LuaFiber*>(lua_touserdata(L, 2));
    const char* message = push_message(L, 1);
    const char* traceback = "";
    if (lua_getiuservalue(L, 2, LuaFiber::traceback_value) == LUA_TSTRING) {
        traceback = lua_tostring(L, -1);
    }
    const char* name = fiber.named ? fiber.name().c_str() : "lua";
    std::fprintf(stderr, "fiber %llu (%s) died: %s\n%s\n",
                 static_cast<unsigned long long>(fiber.id()), name, message, traceback);
    return 0;
}

// A Lua thread with an empty stack: one that an earlier fiber has left, or a new one.
lua_State* push_thread(lua_State* L, Home& home) {
    if (home.idle_count == 0) return lua_newthread(L);
    lua_rawgeti(L, LUA_REGISTRYINDEX, home.idle_threads);
    lua_rawgeti(L, -1, home.idle_count);
    lua_pushnil(L);
    lua_rawseti(L, -3, home.idle_count--);
    lua_remove(L, -2);
    return lua_tothread(L, -1);
}

// Keeps the handle on top of the stack reachable while the fiber is alive.
void anchor(lua_State* L, const Home& home, const LuaFiber& fiber) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, home.fibers);
    lua_pushvalue(L, -2);
    lua_rawseti(L, -2, static_cast<lua_Integer>(fiber.id()));
    lua_pop(L, 1);
}

// Takes the thread from the handle on top of `service` for fibers to come, if there is room; the
// table has its room from the beginning, so nothing here can fail.
void recycle_thread(Home& home, LuaFiber& fiber) {
    constexpr int limit = 256;
    lua_State* service = home.service;
    if (home.idle_count < limit) {
        lua_resetthread(fiber.thread);
        lua_rawgeti(service, LUA_REGISTRYINDEX, home.idle_threads);
        lua_getiuservalue(service, -2, LuaFiber::thread_value);
        lua_rawseti(service, -2, ++home.idle_count);
        lua_pop(service, 1);
    }
    lua_pushnil(service);
    lua_setiuservalue(service, -2, LuaFiber::thread_value);
    fiber.thread = nullptr;
}

}  // namespace

// -- Life -----------------------------------------------------------------------------------------

LuaFiber& push_new_fiber(lua_State* L, int function) {
    Home& home = home_of(L);
    int arguments = lua_gettop(L) - function;
    void* memory = lua_newuserdatauv(L, sizeof(LuaFiber), LuaFiber::user_values);
    auto* fiber = new (memory) LuaFiber(home, nullptr);
    luaL_setmetatable(L, "fiber");
    fiber->thread = push_thread(L, home);
    lua_setiuservalue(L, -2, LuaFiber::thread_value);
    fiber->arguments = arguments;
    if (!lua_checkstack(fiber->thread, arguments + LUA_MINSTACK))
        luaL_error(L, "too many arguments");
    lua_Debug caller;
    if (lua_getstack(L, 1, &caller) && lua_getinfo(L, "Sl", &caller)) {
        std::memcpy(fiber->created_source, caller.short_src, sizeof caller.short_src);
        fiber->created_line = caller.currentline;
    }
    lua_insert(L, function);
    lua_pushcfunction(fiber->thread, keep_traceback);
    lua_xmove(L, fiber->thread, arguments + 1);
    home.scheduler->number(*fiber);
    anchor(L, home, *fiber);
    return *fiber;
}

Error start_new_fiber(lua_State* L, LuaFiber& fiber, bool now) {
    Scheduler& scheduler = scheduler_of(L);
    if (LuaFiber* self = running_fiber(L))
        self->waiter = L;  // where it stands while the new one runs
    return now && !inside_finalizer(L) ? scheduler.start_now(fiber) : scheduler.start(fiber);
}

void forget_fiber(lua_State* L, const LuaFiber& fiber) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, home_of(L).fibers);
    lua_pushnil(L);
    lua_rawseti(L, -2, static_cast<lua_Integer>(fiber.id()));
    lua_pop(L, 1);
}

LuaFiber& make_main_fiber(lua_State* L, int (*main)(lua_State* L)) {
    Home& home = home_of(L);
    void* memory = lua_newuserdatauv(L, sizeof(LuaFiber), LuaFiber::user_values);
    auto* fiber = new (memory) LuaFiber(home, L);
    luaL_setmetatable(L, "fiber");
    fiber->main = main;
    fiber->is_main = true;
    home.scheduler->number(*fiber);
    anchor(L, home, *fiber);
    lua_pop(L, 1);
    return *fiber;
}

void LuaFiber::body() {
    if (main != nullptr) {
        main(thread);
        return;
    }
    if (around != nullptr) {
        around(*this);
    } else {
        call();
    }
}

void LuaFiber::call() {
    failed = lua_pcall(thread, arguments, LUA_MULTRET, 1) != LUA_OK;
    if (failed && !joinable) report_error();
}

void LuaFiber::report_error() {
    if (is_cancelled(thread, -1)) return;
    lua_pushcfunction(thread, print_error);
    lua_insert(thread, -2);
    push_fiber(thread, *this);
    if (lua_pcall(thread, 2, 0, 0) != LUA_OK) lua_pop(thread, 1);
}

void LuaFiber::report_unjoined(lua_State* L) {
    if (is_cancelled(thread, -1)) return;
    lua_pushcfunction(L, print_error);
    lua_pushvalue(thread, -1);
    lua_xmove(thread, L, 1);
    lua_pushvalue(L, 1);
    lua_call(L, 2, 0);
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

// Runs on the dispatcher's stack, outside any protected call: nothing here may allocate.
void LuaFiber::ended() {
    if (is_main) return;
    Home& home = home_of(thread);
    lua_State* service = home.service;
    lua_rawgeti(service, LUA_REGISTRYINDEX, home.fibers);
    lua_rawgeti(service, -1, static_cast<lua_Integer>(id()));
    bool no_results = !failed && lua_gettop(thread) == 1;  // but the message handler
    if (!joinable || no_results) recycle_thread(home, *this);
    lua_pushnil(service);
    lua_setiuservalue(service, -2, storage_value);
    lua_pushnil(service);
    lua_rawseti(service, -3, static_cast<lua_Integer>(id()));
    lua_settop(service, 0);  // this may have been the last reference
}

// -- Looking --------------------------------------------------------------------------------------

LuaFiber& check_fiber(lua_State* L, int index) { return check_object<LuaFiber>(L, index, "fiber"); }

LuaFiber& check_running_fiber(lua_State* L) {
    LuaFiber* fiber = running_fiber(L);
    if (fiber == nullptr) luaL_error(L, "not inside a fiber");
    return *fiber;
}

LuaFiber& check_living_fiber(lua_State* L, int index) {
    LuaFiber& fiber = check_fiber(L, index);
    if (fiber.dead()) luaL_error(L, "the fiber is dead");
    return fiber;
}

void push_fiber(lua_State* L, const LuaFiber& fiber) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, home_of(L).fibers);
    lua_rawgeti(L, -1, static_cast<lua_Integer>(fiber.id()));
    lua_remove(L, -2);
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

// A fiber that waits inside coroutines is shown from the innermost one outwards.
void push_traceback(lua_State* L, LuaFiber& fiber, int handle) {
    handle = lua_absindex(L, handle);
    if (fiber.dead() || fiber.thread == nullptr) {
        if (lua_getiuservalue(L, handle, LuaFiber::traceback_value) != LUA_TSTRING) {
            lua_pop(L, 1);
            lua_pushliteral(L, "");
        }
        return;
    }
    bool running = &fiber == running_fiber(L);
    lua_State* innermost = running ? L : fiber.waiting_thread();
    if (innermost == nullptr) innermost = fiber.thread;
    luaL_traceback(L, innermost, nullptr, innermost == L ? 1 : 0);
    if (innermost == fiber.thread) return;
    luaL_traceback(L, fiber.thread, "\nin coroutine of", 0);
    lua_concat(L, 2);
}

}  // namespace coir
