// home.hpp: what every binding shares: finding the scheduler, arguments in, errors out, raising.
//
// Lua raises by longjmp, over every C++ frame up to the nearest pcall. So a binding first checks
// its arguments (may raise), then works (may wait, calls no Lua), then pushes results (may raise
// for lack of memory), and at no point that can raise does it hold anything with a destructor.
#pragma once

#include <lua.hpp>

#include <string_view>

#include "bindings/fiber_index.hpp"
#include "runtime/scheduler.hpp"

namespace coir {

class LuaFiber;
class LuaHeap;
class Resolver;

// What one Lua state knows of the scheduler it runs on. Lives as long as the state.
struct Home {
    // What the shared thread's stack holds.
    enum Shared {
        handles = 1,  // [slot] = handle of every fiber that is alive, or false
        threads,      // [slot] = Lua thread, or the number of the next free slot
        fiber_metatable,
        creator,  // the Lua function that has made the last fiber
        shared_values = creator
    };

    struct IdleThread {
        lua_State* thread;
        int slot;
    };
    static constexpr int idle_limit = 64;

    Home(Scheduler& own, LuaHeap& memory) : scheduler(&own), fiber_memory(&memory) {}
    ~Home();
    Home(const Home&) = delete;
    Home& operator=(const Home&) = delete;

    Scheduler* scheduler;
    lua_State* service = nullptr;  // a Lua thread for the dispatcher's own calls
    lua_State* shared = nullptr;   // one that runs nothing
    int cancelled = 0;             // registry reference: the error object of cancellation
    int slots = 0;                 // that have been given out
    int free_slot = 0;             // the first of those that came back; 0: none
    int idle_count = 0;
    LuaHeap* fiber_memory;        // outlives the state if fibers do
    IdleThread idle[idle_limit];  // Lua threads for fibers to come, the last one first
    FiberIndex fibers;
    const void* creator_address = nullptr;
    char creator_source[LUA_IDSIZE];  // where its code is
    Deadline top_since{};             // fiber.top_enable(), and the last fiber.top()
    Deadline top_before{};
    // Their addresses are also their registry keys.
    const void* socket_metatable = nullptr;
    const void* served_metatable = nullptr;  // of sockets without a finalizer
    Resolver* resolver = nullptr;            // resolver_of(); nullptr before its first use
};

// In the space that Lua leaves in each of its threads is the address of the state's Home; of a
// thread that runs fibers it is one more. Others get a copy of the main thread's.
inline std::uintptr_t& home_word(lua_State* L) {
    return *static_cast<std::uintptr_t*>(lua_getextraspace(L));
}
inline Home& home_of(lua_State* L) {
    return *reinterpret_cast<Home*>(home_word(L) & ~std::uintptr_t{1});
}
inline void mark_fiber_thread(lua_State* L) { home_word(L) |= 1; }
inline bool is_fiber_thread(lua_State* L) { return (home_word(L) & 1) != 0; }
inline Scheduler& scheduler_of(lua_State* L) { return *home_of(L).scheduler; }

// Pushes what the shared thread holds at this place.
inline void push_shared(lua_State* L, Home::Shared place) {
    lua_State* shared = home_of(L).shared;
    lua_pushvalue(shared, place);
    lua_xmove(shared, L, 1);
}

// Prepares a fresh Lua state: must come before the first user thread exists. Raises for lack of
// memory.
void open_home(lua_State* L, Scheduler& scheduler);

// -- Arguments: these raise what luaL_check* raise ------------------------------------------------

// A timeout in seconds; nil or none gives `otherwise`. NaN is refused.
Deadline opt_timeout(lua_State* L, int index, Deadline otherwise = never);
// The same as plain seconds, infinity for none.
double opt_seconds(lua_State* L, int index);
std::size_t check_size(lua_State* L, int index);
inline std::string_view check_string(lua_State* L, int index) {
    std::size_t size;
    const char* data = luaL_checklstring(L, index, &size);
    return {data, size};
}
// The same, but a number is no string.
inline std::string_view check_text(lua_State* L, int index) {
    luaL_checktype(L, index, LUA_TSTRING);
    return check_string(L, index);
}
// The string or number at `index` as text, without converting it in place.
inline std::string_view to_view(lua_State* L, int index) {
    std::size_t size;
    const char* data = lua_tolstring(L, index, &size);
    return {data, size};
}
inline void push_view(lua_State* L, std::string_view text) {
    lua_pushlstring(L, text.data(), text.size());
}

// -- Waiting --------------------------------------------------------------------------------------

// True in a `__gc` that the collector has called. The collector stands still meanwhile, and lua_gc
// refuses every question.
inline bool inside_finalizer(lua_State* L) { return lua_gc(L, LUA_GCCOUNT) < 0; }

// begin_wait() is in lua_wait.hpp.

// Raises when `error` is cancellation or an interruption, and returns otherwise.
void raise_error(lua_State* L, Error error);
inline void check_raise(lua_State* L, Error error) {
    if (error) raise_error(L, error);
}

[[noreturn]] void raise_cancelled(lua_State* L);
bool is_cancelled(lua_State* L, int index);

// -- Errors ---------------------------------------------------------------------------------------

// Pushes `nil, message, code` and makes `error` the fiber's errno(). Returns 3. With a format, the
// message is "<formatted>: <strerror>"; formats are those of lua_pushfstring.
int push_failure(lua_State* L, Error error);
int push_failure(lua_State* L, Error error, const char* format, ...);
// The same with a message of the caller's.
int push_failure_text(lua_State* L, Error error, std::string_view message);
// The first with `false` instead of nil.
int push_refusal(lua_State* L, Error error);

// errno() of the running fiber is C's errno, and what coir set last where newer versions of Lua's
// io functions have cleared that.
int get_errno(lua_State* L);
void set_errno(lua_State* L, int code);

void push_error_text(lua_State* L, Error error);

// -- Modules --------------------------------------------------------------------------------------

int open_dns(lua_State* L);
int open_errno(lua_State* L);
int open_fiber(lua_State* L);
int open_socket_core(lua_State* L);
int open_luasocket_core(lua_State* L);

// Makes coir's modules available to require(): the C++ ones and those of lua_modules/.
// `short_names`: also `errno` and `fiber`, and `socket`, `socket.core` and `socket.unix` with
// LuaSocket's functions.
void preload_modules(lua_State* L, bool short_names);

// Replaces the global require() by one that lets only one fiber at a time load a module. The others
// wait (a cancellation point).
void install_require(lua_State* L);

}  // namespace coir
