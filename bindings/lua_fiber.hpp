// lua_fiber.hpp: a fiber whose body is a Lua function, and its handle.
//
// The handle is a userdata that holds the fiber itself. Its user values are the fiber's Lua thread,
// the table `storage` and, once the body has failed, the traceback. While the fiber is alive the
// handle is anchored in Home::fibers; afterwards it lives as long as Lua refers to it, and the
// results stay on the Lua thread's stack, so that they can be joined for any number of times and
// leak nothing.
#pragma once

#include <lua.hpp>

#include "bindings/home.hpp"
#include "bindings/object.hpp"
#include "runtime/fiber.hpp"

namespace coir {

class LuaFiber final : public Fiber {
public:
    enum UserValue {
        thread_value = 1,
        storage_value,
        traceback_value,
        user_values = traceback_value
    };

    LuaFiber(Home& lua, lua_State* own_thread) : thread(own_thread) { owner = &lua; }

    const void* mark = mark_of<LuaFiber>();
    lua_State* thread;  // runs the body, then holds its results; null when there are none
    // The Lua thread that waits or waited last: a coroutine's, perhaps.
    lua_State* waiting_thread() const { return static_cast<lua_State*>(waiter); }
    int arguments = 0;
    int last_errno = 0;    // what coir set errno() to
    int module_errno = 0;  // the last failure of a function of the socket module in this fiber
    int created_line = -1;
    Duration ran_before{};  // ran() when fiber.top() was called last
    bool joinable = false;
    bool joined = false;
    bool failed = false;
    bool named = false;
    bool is_main = false;  // runs on the state's main Lua thread
    char created_source[LUA_IDSIZE] = "";

    // The program's main fiber: calls `main` instead of a Lua function.
    int (*main)(lua_State* L) = nullptr;

    // The datagram that the fiber handles, for answers to it.
    const struct AskedDatagram* asked = nullptr;

    // What runs on the fiber's stack instead of call(), and calls it.
    void (*around)(LuaFiber& fiber) = nullptr;

    // Calls the function with its arguments, which are on top of the thread's stack; sets `failed`,
    // and prints the error if nobody will join.
    void call();

    // False when there is no memory for it.
    bool try_set_name(std::string_view name);

    // Prints the error of a dead fiber whose handle is at index 1. Calls Lua.
    void report_unjoined(lua_State* L);

private:
    void body() override;
    void ended() override;
    void report_error();
};

// The Lua fiber that runs on L's scheduler, or nullptr.
inline LuaFiber* running_fiber(lua_State* L) {
    Home& home = home_of(L);
    Fiber* fiber = home.scheduler->running();
    return fiber != nullptr && fiber->owner == &home ? static_cast<LuaFiber*>(fiber) : nullptr;
}

// The same; raises outside of one.
LuaFiber& check_running_fiber(lua_State* L);

// The handle at `index`; raises for anything else.
LuaFiber& check_fiber(lua_State* L, int index);
// The same; raises `the fiber is dead` when it is.
LuaFiber& check_living_fiber(lua_State* L, int index);

// Pushes a new, not yet started fiber that will call the function at `function` with the
// `arguments` values above it (all popped from L).
LuaFiber& push_new_fiber(lua_State* L, int function);

// Starts a new fiber: at once, but nobody runs while a finalizer does, or after those that are
// ready. It can be tried again. Errors: ENOMEM.
Error start_new_fiber(lua_State* L, LuaFiber& fiber, bool now);

// Drops a new fiber that will not be started.
void forget_fiber(lua_State* L, const LuaFiber& fiber);

// Anchors a new fiber that will call main(L) on the state's main Lua thread, which L must be.
// Leaves nothing on the stack.
LuaFiber& make_main_fiber(lua_State* L, int (*main)(lua_State* L));

// Pushes the handle of a living fiber.
void push_fiber(lua_State* L, const LuaFiber& fiber);

const char* status_text(const LuaFiber& fiber);  // "running", "suspended", "dead"
void push_fiber_name(lua_State* L, const LuaFiber& fiber);

// Each adds to the table on top of the stack: info() and traceback() of a handle; the functions of
// the module that tell about fibers and time.
void add_fiber_report_methods(lua_State* L);
void add_fiber_reports(lua_State* L);

// Pushes what a parked fiber waits for: "read fd 7 peer 127.0.0.1:5432, 1.8 s of 2.0 s".
void push_waiting(lua_State* L, const LuaFiber& fiber);

// Pushes where the fiber stands, or where it failed.
void push_traceback(lua_State* L, LuaFiber& fiber, int handle);

}  // namespace coir
