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

// An odd number of cache lines, so that the first lines of many fibers use all sets of the caches.
constexpr std::size_t odd_lines(std::size_t size) { return ((size + 63) / 64 | 1) * 64; }

// -- Lua threads ----------------------------------------------------------------------------------

// Returns a place in the shared tables, where `false` stands for a handle from now on: what is put
// there later needs no memory.
int take_slot(lua_State* L, Home& home) {
    int slot = home.free_slot != 0 ? home.free_slot : home.slots + 1;
    push_shared(L, Home::handles);
    lua_pushboolean(L, 0);
    lua_rawseti(L, -2, slot);
    push_shared(L, Home::threads);
    int next_free = 0;
    if (lua_rawgeti(L, -1, slot) == LUA_TNUMBER) next_free = static_cast<int>(lua_tointeger(L, -1));
    lua_pushboolean(L, 0);
    lua_rawseti(L, -3, slot);
    lua_pop(L, 3);
    home.free_slot = next_free;
    home.slots = std::max(home.slots, slot);
    return slot;
}

// Makes a Lua thread for the next fiber.
void add_thread(lua_State* L, Home& home) {
    lua_State* thread = lua_newthread(L);
    mark_fiber_thread(thread);
    int slot = take_slot(L, home);
    push_shared(L, Home::threads);
    lua_pushvalue(L, -2);
    lua_rawseti(L, -2, slot);
    lua_pop(L, 2);
    home.idle[home.idle_count++] = {thread, slot};
}

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

// -- Fibers ---------------------------------------------------------------------------------------

// Makes the handle at `index` that of `fiber`. Cannot fail.
void attach(lua_State* L, int index, Home& home, LuaFiber& fiber) {
    home.scheduler->number(fiber);
    fiber.handle = new (lua_touserdata(L, index)) FiberHandle(fiber, fiber.id());
    lua_pushvalue(L, index);
    lua_xmove(L, home.shared, 1);
    lua_rawseti(home.shared, Home::handles, fiber.slot);
    home.fibers.insert(fiber);
}

// The Lua thread for the next fiber, with room for its function and arguments.
Home::IdleThread idle_thread(lua_State* L, Home& home, int arguments) {
    if (home.idle_count == 0) add_thread(L, home);
    Home::IdleThread thread = home.idle[home.idle_count - 1];
    if (!lua_checkstack(thread.thread, arguments + LUA_MINSTACK))
        luaL_error(L, "too many arguments");
    return thread;
}

// Makes the idle thread that of `fiber`, with the function and its arguments. Cannot fail.
void take_over(lua_State* L, int function, Home& home, LuaFiber& fiber) {
    --home.idle_count;
    attach(L, function - 1, home, fiber);
    lua_xmove(L, fiber.thread(), lua_gettop(L) - function + 1);
}

void destroy(Home& home, LuaFiber& fiber) {
    std::size_t bytes = fiber.bytes;
    fiber.~LuaFiber();
    if (bytes == 0) return;
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

// -- Life -----------------------------------------------------------------------------------------

void push_new_handle(lua_State* L, int user_values) {
    lua_newuserdatauv(L, sizeof(FiberHandle), user_values);
    push_shared(L, Home::fiber_metatable);
    lua_setmetatable(L, -2);
}

Error FiberPlace::take(lua_State* L, int arguments, std::size_t size, bool on_stack) {
    Home& home = home_of(L);
    Home::IdleThread thread = idle_thread(L, home, arguments);
    birth = {&home, thread.thread, thread.slot};
    bytes = odd_lines(size);
    StackPool& stacks = home.scheduler->stacks();
    if (on_stack) {
        Result<Stack> taken = stacks.take();
        if (!taken) return taken.error();
        stack = *taken;
        memory = stack.top() - bytes;
        return {};
    }
    if (Error error = stacks.reserve()) return error;
    memory = LuaHeap::allocate(home.fiber_memory, nullptr, 0, bytes);
    if (memory != nullptr) return {};
    stacks.unreserve();
    return std::errc::not_enough_memory;
}

void FiberPlace::give(lua_State* L, int function, LuaFiber& fiber) const {
    Home& home = *birth.home;
    if (stack.bottom != nullptr) {
        home.scheduler->give_stack(fiber, stack, static_cast<char*>(memory));
    } else {
        fiber.bytes = bytes;
        Scheduler::use_reserved(fiber, home.scheduler->stacks());
    }
    take_over(L, function, home, fiber);
}

// Whoever makes a fiber mostly makes more of them: where its code is has to be found once.
void note_creator(lua_State* L, LuaFiber& fiber) {
    lua_Debug caller;
    if (!lua_getstack(L, 1, &caller) || !lua_getinfo(L, "fl", &caller)) return;
    Home& home = home_of(L);
    if (lua_topointer(L, -1) != home.creator_address) {
        home.creator_address = lua_topointer(L, -1);
        lua_pushvalue(L, -1);
        lua_xmove(L, home.shared, 1);
        lua_replace(home.shared, Home::creator);  // as long as it is there, so is its address
        lua_getinfo(L, "S", &caller);
        std::memcpy(home.creator_source, caller.short_src, sizeof caller.short_src);
    }
    lua_pop(L, 1);
    std::memcpy(fiber.created_source, home.creator_source, sizeof fiber.created_source);
    fiber.created_line = caller.currentline;
}

void start_new_fiber(lua_State* L, LuaFiber& fiber, bool now) {
    Scheduler& scheduler = scheduler_of(L);
    if (LuaFiber* self = running_fiber(L))
        self->waiter = L;  // where it stands while the new one runs
    // Its stack is reserved, so that neither can fail.
    (void)(now && !inside_finalizer(L) ? scheduler.start_now(fiber) : scheduler.start(fiber));
}

namespace {

class MainFiber final : public LuaFiber {
public:
    MainFiber(const Birth& birth, int (*main)(lua_State* L)) : LuaFiber(birth), main_(main) {}

private:
    void body() override { main_(thread()); }
    void ended() override { leave_home(); }

    int (*main_)(lua_State* L);
};

}  // namespace

LuaFiber& make_main_fiber(lua_State* L, int (*main)(lua_State* L)) {
    Home& home = home_of(L);
    void* memory = lua_newuserdatauv(L, sizeof(MainFiber), 0);
    luaL_ref(L, LUA_REGISTRYINDEX);
    push_new_handle(L);
    auto* fiber = new (memory) MainFiber({&home, L, take_slot(L, home)}, main);
    attach(L, -1, home, *fiber);
    lua_pop(L, 1);
    return *fiber;
}

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

void refuse_wait(lua_State* L) {
    LuaFiber* fiber = running_fiber(L);
    if (fiber == nullptr) luaL_error(L, "cannot wait outside a fiber");
    if (inside_finalizer(L)) luaL_error(L, "cannot wait inside a finalizer");
    fiber->waiter = L;
    (void)scheduler_of(L).checkpoint();  // lets others run, now and then
    raise_cancelled(L);
}

LuaFiber& check_living_fiber(lua_State* L, int index) {
    FiberHandle& handle = check_fiber(L, index);
    if (handle.fiber == nullptr) luaL_error(L, "the fiber is dead");
    return *handle.fiber;
}

// Of a call record only the address is known and, in all versions of Lua up to now, that it begins
// with the address of the function's place on the Lua stack. All are hints, which may be wrong.
void note_touched(lua_State* L, Fiber& fiber, Fiber::Touched one, Fiber::Touched another) {
    constexpr std::size_t line = 64;
    lua_Debug own, caller;
    if (!lua_getstack(L, 0, &own) || !lua_getstack(L, 1, &caller)) return;
    const char* place = *reinterpret_cast<const char* const*>(own.i_ci);
    const void* const* function = *reinterpret_cast<const void* const* const*>(caller.i_ci);
    fiber.set_touched({{{reinterpret_cast<const char*>(L) + 2 * line, 2},
                        {own.i_ci, 1},
                        {caller.i_ci, 1},
                        {place - line, 4},
                        {*function, 1},
                        one,
                        another}});
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
