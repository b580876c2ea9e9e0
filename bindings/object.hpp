// object.hpp: userdata of ours, recognised without looking a metatable up.
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

}  // namespace coir
