#include "bindings/indexed_value.hpp"

#include <cstdint>

#include "bindings/home.hpp"

static_assert(LUA_VERSION_NUM == 504, "the instructions and call records are those of Lua 5.4");

namespace coir {

namespace {

// How a call record of Lua 5.4 begins (CallInfo, in its lstate.h).
struct CallRecord {
    void* function;
    void* top;
    CallRecord* previous;
    CallRecord* next;
    const std::uint32_t* next_instruction;  // in a Lua function
};

// The instructions that read a field of the object in upvalue or register B (Lua's lopcodes.h).
enum Opcode : std::uint32_t { get_from_upvalue = 11, get_table = 12, get_field = 14, self = 20 };

}  // namespace

bool push_indexed_value(lua_State* L, std::string_view field) {
    lua_Debug caller;
    if (lua_type(L, 2) != LUA_TSTRING || to_view(L, 2) != field) return false;
    if (lua_getstack(L, 1, &caller) == 0) return false;
    lua_getinfo(L, "S", &caller);
    if (*caller.what == 'C') return false;
    std::uint32_t instruction =
        reinterpret_cast<const CallRecord*>(caller.i_ci)->next_instruction[-1];
    int number = static_cast<int>(instruction >> 16 & 0xff) + 1;
    switch (instruction & 0x7f) {
        case get_from_upvalue:
            lua_getinfo(L, "f", &caller);
            lua_getupvalue(L, -1, number);
            lua_remove(L, -2);
            return true;
        case get_table:
        case get_field:
        case self:
            return lua_getlocal(L, &caller, number) != nullptr;
        default:
            return false;
    }
}

}  // namespace coir
