#include "bindings/new_fiber.hpp"

#include <algorithm>
#include <cstring>
#include <new>

#include "bindings/lua_heap.hpp"

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

}  // namespace

void push_new_handle(lua_State* L, int user_values) {
    lua_newuserdatauv(L, sizeof(FiberHandle), user_values);
    push_shared(L, Home::fiber_metatable);
    lua_setmetatable(L, -2);
}

Error FiberPlace::take(lua_State* L, int arguments, std::size_t size) {
    Home& home = home_of(L);
    Home::IdleThread thread = idle_thread(L, home, arguments);
    birth = {&home, thread.thread, thread.slot, odd_lines(size)};
    StackPool& stacks = home.scheduler->stacks();
    if (Error error = stacks.reserve()) return error;
    memory = LuaHeap::allocate(home.fiber_memory, nullptr, 0, birth.bytes);
    if (memory != nullptr) return {};
    stacks.unreserve();
    return std::errc::not_enough_memory;
}

void FiberPlace::give(lua_State* L, int function, LuaFiber& fiber) const {
    Home& home = *birth.home;
    Scheduler::use_reserved(fiber, home.scheduler->stacks());
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
    auto* fiber = new (memory) MainFiber({&home, L, take_slot(L, home), sizeof(MainFiber)}, main);
    attach(L, -1, home, *fiber);
    lua_pop(L, 1);
    return *fiber;
}

}  // namespace coir
