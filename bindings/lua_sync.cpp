// lua_sync.cpp: condition variables, mutexes, semaphores and wait groups.
//
// Each is a counter beside a wait list. A wake-up hands over what was waited for (the unit, the
// lock), so nobody can take it in between and fibers are served first come first served.
#include "bindings/lua_sync.hpp"

#include <new>

#include "bindings/lua_wait.hpp"
#include "bindings/object.hpp"

namespace coir {

namespace {

struct Cond {
    const void* mark = mark_of<Cond>();
    WaitList waiters{"cond"};
};

struct Mutex {
    const void* mark = mark_of<Mutex>();
    WaitList waiters{"mutex"};
    std::uint64_t owner = 0;  // the id of the fiber that has locked it; 0: nobody
};

struct Semaphore {
    const void* mark = mark_of<Semaphore>();
    WaitList waiters{"semaphore"};
    lua_Integer count = 0;
};

struct WaitGroup {
    const void* mark = mark_of<WaitGroup>();
    WaitList waiters{"wait group"};
    lua_Integer count = 0;
};

template <class T>
struct ClassName;
template <>
struct ClassName<Cond> {
    static constexpr const char* value = "cond";
};
template <>
struct ClassName<Mutex> {
    static constexpr const char* value = "mutex";
};
template <>
struct ClassName<Semaphore> {
    static constexpr const char* value = "semaphore";
};
template <>
struct ClassName<WaitGroup> {
    static constexpr const char* value = "wait_group";
};

template <class T>
T& check(lua_State* L) {
    return check_object<T>(L, 1, ClassName<T>::value);
}

template <class T>
T& push_new(lua_State* L) {
    T* object = new (lua_newuserdatauv(L, sizeof(T), 0)) T;
    luaL_setmetatable(L, ClassName<T>::value);
    return *object;
}

Deadline check_wait(lua_State* L) {
    if (!lua_isnoneornil(L, 2) && luaL_checknumber(L, 2) < 0)
        luaL_argerror(L, 2, "timeout is negative");
    return opt_timeout(L, 2);
}

// Pushes whether the wait ended with a wake-up.
int push_woken(lua_State* L, Error error) {
    check_raise(L, error);
    lua_pushboolean(L, !error);
    return 1;
}

// The same, and why not: "timeout".
int push_reason(lua_State* L, Error error) {
    push_woken(L, error);
    if (!error) return 1;
    if (error == std::errc::timed_out) {
        lua_pushliteral(L, "timeout");
    } else {
        push_error_text(L, error);
    }
    return 2;
}

int push_true(lua_State* L) {
    lua_pushboolean(L, true);
    return 1;
}

// -- cond -----------------------------------------------------------------------------------------

int cond_new(lua_State* L) {
    push_new<Cond>(L).waiters.set_wakeable();
    return 1;
}

int cond_wait(lua_State* L) {
    Cond& cond = check<Cond>(L);
    Deadline deadline = check_wait(L);
    begin_wait(L);
    return wait_on<push_woken>(L, cond.waiters, deadline);
}

int cond_signal(lua_State* L) {
    scheduler_of(L).wake_one(check<Cond>(L).waiters);
    return 0;
}

int cond_broadcast(lua_State* L) {
    scheduler_of(L).wake_all(check<Cond>(L).waiters);
    return 0;
}

int cond_tostring(lua_State* L) {
    check<Cond>(L);
    lua_pushliteral(L, "cond");
    return 1;
}

// -- mutex ----------------------------------------------------------------------------------------

int mutex_new(lua_State* L) {
    push_new<Mutex>(L);
    return 1;
}

int mutex_lock(lua_State* L) {
    Mutex& mutex = check<Mutex>(L);
    Deadline deadline = check_wait(L);
    begin_wait(L);
    std::uint64_t self = running_fiber(L)->id();
    if (mutex.owner == self) luaL_error(L, "the mutex is already locked by this fiber");
    if (mutex.owner != 0) return wait_on<push_reason>(L, mutex.waiters, deadline);
    mutex.owner = self;
    return push_true(L);
}

int mutex_try_lock(lua_State* L) {
    Mutex& mutex = check<Mutex>(L);
    LuaFiber* fiber = running_fiber(L);
    if (fiber == nullptr) luaL_error(L, "not inside a fiber");
    bool locked = mutex.owner == 0;
    if (locked) mutex.owner = fiber->id();
    lua_pushboolean(L, locked);
    return 1;
}

int mutex_unlock(lua_State* L) {
    Mutex& mutex = check<Mutex>(L);
    LuaFiber* fiber = running_fiber(L);
    if (fiber == nullptr || mutex.owner != fiber->id()) {
        luaL_error(L, "the mutex is not locked by this fiber");
    }
    mutex.owner = mutex.waiters.empty() ? 0 : mutex.waiters.front().id();
    scheduler_of(L).wake_one(mutex.waiters);
    return 0;
}

// -- semaphore ------------------------------------------------------------------------------------

int semaphore_new(lua_State* L) {
    lua_Integer count = luaL_checkinteger(L, 1);
    if (count < 0) luaL_argerror(L, 1, "count is negative");
    push_new<Semaphore>(L).count = count;
    return 1;
}

int semaphore_acquire(lua_State* L) {
    Semaphore& semaphore = check<Semaphore>(L);
    Deadline deadline = check_wait(L);
    begin_wait(L);
    if (semaphore.count == 0) return wait_on<push_reason>(L, semaphore.waiters, deadline);
    --semaphore.count;
    return push_true(L);
}

int semaphore_release(lua_State* L) {
    Semaphore& semaphore = check<Semaphore>(L);
    if (semaphore.count == LUA_MAXINTEGER)
        luaL_error(L, "the count of the semaphore would overflow");
    if (!scheduler_of(L).wake_one(semaphore.waiters)) ++semaphore.count;
    return 0;
}

int semaphore_count(lua_State* L) {
    lua_pushinteger(L, check<Semaphore>(L).count);
    return 1;
}

// -- wait_group -----------------------------------------------------------------------------------

int wait_group_new(lua_State* L) {
    push_new<WaitGroup>(L);
    return 1;
}

int change_count(lua_State* L, lua_Integer difference) {
    WaitGroup& group = check<WaitGroup>(L);
    if (difference < -group.count)
        luaL_error(L, "the count of the wait group would become negative");
    if (difference > LUA_MAXINTEGER - group.count) {
        luaL_error(L, "the count of the wait group would overflow");
    }
    group.count += difference;
    if (group.count == 0) scheduler_of(L).wake_all(group.waiters);
    return 0;
}

int wait_group_add(lua_State* L) { return change_count(L, luaL_optinteger(L, 2, 1)); }
int wait_group_done(lua_State* L) { return change_count(L, -1); }

int wait_group_wait(lua_State* L) {
    WaitGroup& group = check<WaitGroup>(L);
    Deadline deadline = check_wait(L);
    begin_wait(L);
    return group.count == 0 ? push_true(L) : wait_on<push_reason>(L, group.waiters, deadline);
}

int wait_group_count(lua_State* L) {
    lua_pushinteger(L, check<WaitGroup>(L).count);
    return 1;
}

}  // namespace

void add_class(lua_State* L, const char* name, lua_CFunction constructor, const luaL_Reg* methods) {
    push_new_class(L, name, 15);
    luaL_setfuncs(L, methods, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    lua_pushcfunction(L, constructor);
    lua_setfield(L, -2, name);
}

void open_sync(lua_State* L) {
    static const luaL_Reg cond[] = {{"wait", cond_wait},
                                    {"signal", cond_signal},
                                    {"broadcast", cond_broadcast},
                                    {"__tostring", cond_tostring},
                                    {nullptr, nullptr}};
    static const luaL_Reg mutex[] = {{"lock", mutex_lock},
                                     {"try_lock", mutex_try_lock},
                                     {"unlock", mutex_unlock},
                                     {nullptr, nullptr}};
    static const luaL_Reg semaphore[] = {{"acquire", semaphore_acquire},
                                         {"release", semaphore_release},
                                         {"count", semaphore_count},
                                         {nullptr, nullptr}};
    static const luaL_Reg wait_group[] = {{"add", wait_group_add},
                                          {"done", wait_group_done},
                                          {"wait", wait_group_wait},
                                          {"count", wait_group_count},
                                          {nullptr, nullptr}};
    add_class(L, "cond", cond_new, cond);
    add_class(L, "mutex", mutex_new, mutex);
    add_class(L, "semaphore", semaphore_new, semaphore);
    add_class(L, "wait_group", wait_group_new, wait_group);
}

}  // namespace coir
