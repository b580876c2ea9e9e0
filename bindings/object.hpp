// object.hpp: userdata of ours, recognised without looking a metatable up, and their classes.
//
// A class T that Lua objects hold has the member `mark`, which begins as mark_of<T>(): the size and
// the mark together are those of no other userdata.
#pragma once

#include <lua.hpp>

namespace coir {

template <class T>
const void* mark_of() {
    static const char mark = 0;
    return &mark;
}

// The object at `index`, or nullptr when there is something else.
template <class T>
T* test_object(lua_State* L, int index) {
    if (lua_rawlen(L, index) != sizeof(T)) return nullptr;
    auto* object = static_cast<T*>(lua_touserdata(L, index));
    return object != nullptr && object->mark == mark_of<T>() ? object : nullptr;
}

// The same; raises what luaL_checkudata does for the class `name`.
template <class T>
T& check_object(lua_State* L, int index, const char* name) {
    T* object = test_object<T>(L, index);
    if (object == nullptr) luaL_typeerror(L, index, name);
    return *object;
}

// Pushes a table with so much room for its fields that most are found at the first look.
inline void push_roomy_table(lua_State* L, int fields) { lua_createtable(L, 0, 4 * fields); }

// Pushes a new metatable for the class `name`, such as luaL_newmetatable makes, with room for some
// fields more.
inline void push_new_class(lua_State* L, const char* name, int fields) {
    push_roomy_table(L, fields + 1);
    lua_pushstring(L, name);
    lua_setfield(L, -2, "__name");
    lua_pushvalue(L, -1);
    lua_setfield(L, LUA_REGISTRYINDEX, name);
}

}  // namespace coir
