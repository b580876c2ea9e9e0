#include "bindings/home.hpp"

#include <cmath>
#include <cstdarg>
#include <cstring>
#include <limits>
#include <new>

#include "bindings/lua_fiber.hpp"
#include "bindings/lua_heap.hpp"

namespace coir {

namespace {

const char home_key = 0;  // its address is the registry key

int home_gc(lua_State* L) {
    if (inside_finalizer(L)) static_cast<Home*>(lua_touserdata(L, 1))->~Home();
    return 0;
}

int cancelled_tostring(lua_State* L) {
    lua_pushliteral(L, "fiber is cancelled");
    return 1;
}

int cancelled_concat(lua_State* L) {
    luaL_tolstring(L, 1, nullptr);
    luaL_tolstring(L, 2, nullptr);
    lua_concat(L, 2);
    return 1;
}

int make_cancelled(lua_State* L) {
    lua_newuserdatauv(L, 0, 0);
    const luaL_Reg methods[] = {
        {"__tostring", cancelled_tostring}, {"__concat", cancelled_concat}, {nullptr, nullptr}};
    lua_createtable(L, 0, 3);
    luaL_setfuncs(L, methods, 0);
    lua_pushliteral(L, "coir.Cancelled");
    lua_setfield(L, -2, "__name");
    lua_setmetatable(L, -2);
    return luaL_ref(L, LUA_REGISTRYINDEX);
}

}  // namespace

Home::~Home() {
    if (fiber_memory->used() == 0) delete fiber_memory;
}

void open_home(lua_State* L, Scheduler& scheduler) {
    void* place = lua_newuserdatauv(L, sizeof(Home), 0);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, home_gc);
    lua_setfield(L, -2, "__gc");
    auto* memory = new (std::nothrow) LuaHeap;
    if (memory == nullptr) luaL_error(L, "not enough memory");
    auto* home = new (place) Home(scheduler, *memory);
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &home_key);
    // New threads inherit a copy of the main thread's extra space.
    *static_cast<Home**>(lua_getextraspace(L)) = home;
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
    *static_cast<Home**>(lua_getextraspace(lua_tothread(L, -1))) = home;
    lua_pop(L, 1);
    home->cancelled = make_cancelled(L);
    home->service = lua_newthread(L);
    luaL_ref(L, LUA_REGISTRYINDEX);
    home->shared = lua_newthread(L);
    luaL_ref(L, LUA_REGISTRYINDEX);
    lua_newtable(L);  // handles
    lua_newtable(L);  // threads
    push_new_class(L, "fiber", 4);
    lua_pushnil(L);  // creator
    lua_xmove(L, home->shared, Home::shared_values);
}

// -- Arguments ------------------------------------------------------------------------------------

double opt_seconds(lua_State* L, int index) {
    if (lua_isnoneornil(L, index)) return std::numeric_limits<double>::infinity();
    double seconds = luaL_checknumber(L, index);
    if (std::isnan(seconds)) luaL_argerror(L, index, "timeout is not a number (NaN)");
    return seconds;
}

Deadline opt_timeout(lua_State* L, int index, Deadline otherwise) {
    if (lua_isnoneornil(L, index)) return otherwise;
    return deadline_after(opt_seconds(L, index));
}

std::size_t check_size(lua_State* L, int index) {
    lua_Integer size = luaL_checkinteger(L, index);
    if (size < 0) luaL_argerror(L, index, "size is negative");
    return static_cast<std::size_t>(size);
}

// -- Waiting --------------------------------------------------------------------------------------

void raise_error(lua_State* L, Error error) {
    if (error == std::errc::operation_canceled) raise_cancelled(L);
    if (error == std::errc::interrupted) luaL_error(L, "interrupted!");
}

void raise_cancelled(lua_State* L) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, home_of(L).cancelled);
    lua_error(L);
    std::abort();  // lua_error does not return
}

bool is_cancelled(lua_State* L, int index) {
    index = lua_absindex(L, index);
    lua_rawgeti(L, LUA_REGISTRYINDEX, home_of(L).cancelled);
    bool same = lua_rawequal(L, index, -1) != 0;
    lua_pop(L, 1);
    return same;
}

// -- Errors ---------------------------------------------------------------------------------------

// errno is set last: Lua allocates on the way, which may change it.
static int finish_failure(lua_State* L, Error error) {
    lua_pushinteger(L, error.code());
    set_errno(L, error.code());
    return 3;
}

int get_errno(lua_State* L) {
    int code = errno;
    LuaFiber* fiber = running_fiber(L);
    return code == 0 && fiber != nullptr ? fiber->last_errno : code;
}

void set_errno(lua_State* L, int code) {
    if (LuaFiber* fiber = running_fiber(L)) fiber->last_errno = code;
    errno = code;
}

void push_error_text(lua_State* L, Error error) { lua_pushstring(L, std::strerror(error.code())); }

int push_failure(lua_State* L, Error error) {
    lua_pushnil(L);
    push_error_text(L, error);
    return finish_failure(L, error);
}

int push_failure(lua_State* L, Error error, const char* format, ...) {
    lua_pushnil(L);
    va_list arguments;
    va_start(arguments, format);
    lua_pushvfstring(L, format, arguments);
    va_end(arguments);
    lua_pushliteral(L, ": ");
    push_error_text(L, error);
    lua_concat(L, 3);
    return finish_failure(L, error);
}

int push_failure_text(lua_State* L, Error error, std::string_view message) {
    lua_pushnil(L);
    push_view(L, message);
    return finish_failure(L, error);
}

int push_refusal(lua_State* L, Error error) {
    lua_pushboolean(L, false);
    push_error_text(L, error);
    return finish_failure(L, error);
}

}  // namespace coir
