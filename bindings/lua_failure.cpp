#include "bindings/lua_failure.hpp"

#include <cstdio>

#include "bindings/lua_fiber.hpp"

namespace coir {

namespace {

constexpr const char* class_name = "fiber.failure";

// A userdata apart from the handle, so that only the handles of failed fibers need a finalizer.
struct Failure {
    enum UserValue { name_value = 1, error_value, traceback_value, user_values = traceback_value };
    std::uint64_t id;
    bool heard;
};

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

// Prints the error of a fiber. On top of the stack are its name, the error and the traceback.
void print_error(lua_State* L, std::uint64_t id) {
    int name = lua_absindex(L, -3);
    const char* message = push_message(L, name + 1);
    bool traced = lua_type(L, name + 2) == LUA_TSTRING;
    std::fprintf(stderr, "fiber %llu (%s) died: %s\n%s\n", static_cast<unsigned long long>(id),
                 lua_tostring(L, name), message, traced ? lua_tostring(L, name + 2) : "");
    lua_pop(L, 1);
}

int failure_gc(lua_State* L) {
    auto& failure = *static_cast<Failure*>(luaL_checkudata(L, 1, class_name));
    if (failure.heard || !inside_finalizer(L)) return 0;
    for (int i = Failure::name_value; i <= Failure::user_values; ++i) lua_getiuservalue(L, 1, i);
    print_error(L, failure.id);
    return 0;
}

// add_traceback(fiber, error): a cancellation gets none.
int add_traceback(lua_State* L) {
    auto& fiber = *static_cast<LuaFiber*>(lua_touserdata(L, 1));
    if (is_cancelled(L, 2)) return 0;
    push_fiber(L, fiber);
    luaL_traceback(L, fiber.thread(), nullptr, 0);
    lua_setiuservalue(L, -2, FiberHandle::outcome_value);
    return 0;
}

}  // namespace

void keep_traceback(LuaFiber& fiber) {
    lua_State* L = static_cast<Home*>(fiber.owner)->service;
    lua_xmove(fiber.thread(), L, 1);
    lua_pushcfunction(L, add_traceback);
    lua_pushlightuserdata(L, &fiber);
    lua_pushvalue(L, -3);
    if (lua_pcall(L, 2, 0, 0) != LUA_OK) lua_pop(L, 1);  // no memory for it: the error is not lost
    lua_xmove(L, fiber.thread(), 1);
}

int keep_error(lua_State* L) {
    LuaFiber& fiber = *running_fiber(L);
    FiberHandle& handle = *fiber.handle;
    if (is_cancelled(L, 1)) return 0;
    push_fiber_name(L, fiber);
    lua_insert(L, 1);
    if (!handle.joinable) {
        print_error(L, fiber.id());
        return 0;
    }
    push_fiber(L, fiber);
    void* memory = lua_newuserdatauv(L, sizeof(Failure), Failure::user_values);
    *static_cast<Failure*>(memory) = {fiber.id(), false};
    luaL_setmetatable(L, class_name);
    for (int i = Failure::name_value; i <= Failure::user_values; ++i) {
        lua_pushvalue(L, i);
        lua_setiuservalue(L, -2, i);
    }
    lua_setiuservalue(L, -2, FiberHandle::outcome_value);
    handle.outcome = FiberHandle::Outcome::failure;
    return 0;
}

void take_failure(lua_State* L) {
    static_cast<Failure*>(lua_touserdata(L, -1))->heard = true;
    lua_getiuservalue(L, -1, Failure::error_value);
    lua_remove(L, -2);
}

void take_failure_traceback(lua_State* L) {
    lua_getiuservalue(L, -1, Failure::traceback_value);
    lua_remove(L, -2);
}

void make_failure_class(lua_State* L) {
    luaL_newmetatable(L, class_name);
    lua_pushcfunction(L, failure_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
}

}  // namespace coir
