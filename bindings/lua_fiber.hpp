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
    };
    explicit LuaFiber(const Birth& birth) : slot(birth.slot) {
        owner = birth.home;
        runner = birth.thread;
    }

    // The Lua thread that runs the body.
    lua_State* thread() const { return static_cast<lua_State*>(runner); }

    int slot;  // of the tables of handles and threads
    FiberHandle* handle = nullptr;
    LuaFiber* next_in_chain = nullptr;  // of the FiberIndex
    int last_errno = 0;                 // what coir set errno() to
    int module_errno = 0;   // the last failure of a function of the socket module in this fiber
    Duration ran_before{};  // ran() when fiber.top() was called last
    bool named = false;
    bool has_storage = false;
    std::size_t bytes = 0;  // of the memory to give back; 0: it lies on its own C stack
    int created_line = -1;
    char created_source[LUA_IDSIZE];  // where created_line is, if it is known

    // The Lua thread that waits or waited last: a coroutine's, perhaps.
    lua_State* waiting_thread() const { return static_cast<lua_State*>(waiter); }

    // The datagram that the fiber handles, for answers to it.
    virtual const struct AskedDatagram* asked() const { return nullptr; }

    // Whether nothing is on the C stack of the fiber, which runs L, but calls that Lua can return
    // to by itself. No finalizer is, then.
    bool is_in_lua(lua_State* L) const { return L == runner && lua_isyieldable(L) != 0; }

    // Whether L, which is about to wait, can leave the C stack for it.
    bool can_rest(lua_State* L) const {
        const void* self = this;
        bool lies_there = self >= stack().bottom && self < stack().top();
        return !lies_there && is_in_lua(L);
    }

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
    rests = (rests || scheduler.crowded()) && running_fiber(L)->can_rest(L);
    if (!rests) return ended(L, scheduler.park(list, deadline));
    if (Error error = scheduler.rest(list, deadline)) return ended(L, error);
    return lua_yieldk(L, 0, lua_gettop(L), wait_over<ended>);
}

// The handle at `index`; raises for anything else.
FiberHandle& check_fiber(lua_State* L, int index);
// The fiber of the handle at `index`; raises `the fiber is dead` when it is.
LuaFiber& check_living_fiber(lua_State* L, int index);

// Pushes the handle of a fiber to come.
void push_new_handle(lua_State* L, int user_values = FiberHandle::user_values);

// Where a new fiber will be. One that lies on its own stack, which it has at once then, is faster
// to switch to: what a switch touches is closer together. Others need less memory.
struct FiberPlace {
    // Takes all that can be short, for a fiber of `size` bytes. Error: ENOMEM.
    Error take(lua_State* L, int arguments, std::size_t size, bool on_stack);
    // Gives it to the fiber that was made there, with the function. Cannot fail.
    void give(lua_State* L, int function, LuaFiber& fiber) const;

    LuaFiber::Birth birth;
    void* memory;
    std::size_t bytes;
    Stack stack{};
};

// Makes a fiber that will call the function at `function`, above its handle, with the arguments
// that follow. They are popped, and the fiber must be started. `what` is for T, which is destroyed
// with the fiber. Error: ENOMEM; nothing has changed then.
template <class T, class... What>
Result<T*> make_fiber(lua_State* L, int function, bool on_stack, What&... what) {
    FiberPlace place;
    if (Error error = place.take(L, lua_gettop(L) - function, sizeof(T), on_stack)) return error;
    auto* fiber = new (place.memory) T(place.birth, what...);
    place.give(L, function, *fiber);
    return fiber;
}

// Notes where the function that has called L's makes the fiber, for people.
void note_creator(lua_State* L, LuaFiber& fiber);

// Starts a new fiber: at once, but nobody runs while a finalizer does, or after those that are
// ready.
void start_new_fiber(lua_State* L, LuaFiber& fiber, bool now);

// Makes a new fiber that will call main(L) on the state's main Lua thread, which L must be. It
// lives as long as the state.
LuaFiber& make_main_fiber(lua_State* L, int (*main)(lua_State* L));

// Notes what the running fiber will touch when the C function that L runs goes on after a wait:
// Lua's thread, call records and stack, and what the caller knows of.
void note_touched(lua_State* L, Fiber& fiber, Fiber::Touched one, Fiber::Touched another);

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
