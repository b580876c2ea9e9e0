// lua_fiber.hpp: a fiber whose body is a Lua function, and its handle.
//
// The fiber's Lua thread is used again by later fibers. What Lua holds is the handle, a userdata:
// it is anchored while the fiber is alive, and keeps afterwards, for any number of joins, what has
// come of it.
#pragma once

#include <lua.hpp>

#include "bindings/home.hpp"
#include "bindings/object.hpp"
#include "runtime/fiber.hpp"

namespace coir {

class LuaFiber;

struct FiberHandle {
    enum UserValue {
        outcome_value = 1,
        storage_value,
        user_values = storage_value,
        // Of a handler's, what has to live as long as it:
        server_value,
        socket_value,
        handler_values = socket_value
    };
    // What the outcome is: nothing, unless a traceback; the only result, or the cancellation; a
    // table of results; the record of a failure that may have to be reported.
    enum class Outcome : std::uint8_t { none, value, table, failure };

    FiberHandle(LuaFiber& owner, std::uint64_t number) : fiber(&owner), id(number) {}

    const void* mark = mark_of<FiberHandle>();
    LuaFiber* fiber;  // null once it is dead
    std::uint64_t id;
    std::uint64_t switches = 0;  // of a dead one
    int results = 0;             // of a dead one that can be joined
    Outcome outcome = Outcome::none;
    bool joinable = false;
    bool failed = false;
};

class LuaFiber : public Fiber {
public:
    static constexpr std::size_t longest_name = 255;

    // What a new one is given.
    struct Birth {
        Home* home;
        lua_State* thread;
        int slot;
        std::size_t bytes;  // of its memory
    };
    explicit LuaFiber(const Birth& birth) : slot(birth.slot), bytes(birth.bytes) {
        owner = birth.home;
        runner = birth.thread;
    }

    // The Lua thread that runs the body.
    lua_State* thread() const { return static_cast<lua_State*>(runner); }

    int slot;  // of the tables of handles and threads
    std::size_t bytes;
    FiberHandle* handle = nullptr;
    LuaFiber* next_in_chain = nullptr;  // of the FiberIndex
    int last_errno = 0;                 // what coir set errno() to
    int module_errno = 0;   // the last failure of a function of the socket module in this fiber
    Duration ran_before{};  // ran() when fiber.top() was called last
    bool named = false;
    bool has_storage = false;
    int created_line = -1;
    char created_source[LUA_IDSIZE];  // where created_line is, if it is known

    // The Lua thread that waits or waited last: a coroutine's, perhaps.
    lua_State* waiting_thread() const { return static_cast<lua_State*>(waiter); }

    // The datagram that the fiber handles, for answers to it.
    virtual const struct AskedDatagram* asked() const { return nullptr; }

    // Whether nothing is on the C stack of the fiber, which runs L, but calls that Lua can return
    // to by itself: it can leave its stack while it waits. No finalizer is there, then.
    bool is_in_lua(lua_State* L) const { return L == runner && lua_isyieldable(L) != 0; }

    // False when there is no memory for it.
    bool try_set_name(std::string_view name);
    std::string_view shown_name(NameRoom& room) const override;

protected:
    // What is left to do when the function has ended and the thread's stack is empty. May wait.
    virtual void returned() {}

    // Nobody finds the fiber any more.
    void leave_home();

private:
    void body() override;
    void ended() override;
    void call();
    void unwind(int status);
    void keep_results();
    void keep_failure();
};

// What a fiber fails with that yields as if it were a coroutine.
inline constexpr const char* stray_yield = "attempt to yield from outside a coroutine";

// Makes the functions of `coroutine`, if the state has them, treat a fiber's thread as what cannot
// yield, and as no coroutine of theirs.
void guard_coroutines(lua_State* L);

// The Lua fiber that runs on L's scheduler, or nullptr.
inline LuaFiber* running_fiber(lua_State* L) {
    Home& home = home_of(L);
    Fiber* fiber = home.scheduler->running();
    return fiber != nullptr && fiber->owner == &home ? static_cast<LuaFiber*>(fiber) : nullptr;
}

// The same; raises outside of one.
LuaFiber& check_running_fiber(lua_State* L);

// The handle at `index`; raises for anything else.
FiberHandle& check_fiber(lua_State* L, int index);
// The fiber of the handle at `index`; raises `the fiber is dead` when it is.
LuaFiber& check_living_fiber(lua_State* L, int index);

// Pushes the handle of a living fiber.
void push_fiber(lua_State* L, const LuaFiber& fiber);

const char* status_text(const FiberHandle& handle);  // "running", "suspended", "dead"
void push_fiber_name(lua_State* L, const LuaFiber& fiber);

// Each adds to the table on top of the stack: info() and traceback() of a handle; the functions of
// the module that tell about fibers and time.
void add_fiber_report_methods(lua_State* L);
void add_fiber_reports(lua_State* L);

// Pushes what a parked fiber waits for: "read fd 7 peer 127.0.0.1:5432, 1.8 s of 2.0 s".
void push_waiting(lua_State* L, const LuaFiber& fiber);

// Pushes where the fiber of the handle at `index` stands, or where it failed.
void push_traceback(lua_State* L, int index);

}  // namespace coir
