#include "bindings/state.hpp"

#include <cstdio>
#include <string_view>

namespace coir {

namespace {

int panic(lua_State* L) {
    const char* message =
        lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "error object is not a string";
    std::fprintf(stderr, "PANIC: unprotected error in call to Lua API (%s)\n", message);
    std::fflush(stderr);
    return 0;  // to Lua, which aborts
}

// A warning function stands for what comes next: anything while warnings are off, the beginning of
// a message, or more of it. Its first argument is the state.
void ignore_warning(void* L, const char* piece, int to_be_continued);
void begin_warning(void* L, const char* piece, int to_be_continued);
void continue_warning(void* L, const char* piece, int to_be_continued);

void set_next(void* L, lua_WarnFunction next) { lua_setwarnf(static_cast<lua_State*>(L), next, L); }

// Obeys a control message; returns whether it was one.
bool control(void* L, std::string_view piece, int to_be_continued) {
    if (to_be_continued || !piece.starts_with('@')) return false;
    if (piece == "@on") set_next(L, begin_warning);
    if (piece == "@off") set_next(L, ignore_warning);
    return true;
}

void ignore_warning(void* L, const char* piece, int to_be_continued) {
    control(L, piece, to_be_continued);
}

void begin_warning(void* L, const char* piece, int to_be_continued) {
    if (control(L, piece, to_be_continued)) return;
    std::fputs("Lua warning: ", stderr);
    continue_warning(L, piece, to_be_continued);
}

void continue_warning(void* L, const char* piece, int to_be_continued) {
    std::fprintf(stderr, to_be_continued ? "%s" : "%s\n", piece);
    std::fflush(stderr);
    set_next(L, to_be_continued ? continue_warning : begin_warning);
}

}  // namespace

lua_State* new_state(lua_Alloc allocate, void* data) {
    lua_State* L = lua_newstate(allocate, data);
    if (L == nullptr) return nullptr;
    lua_atpanic(L, panic);
    set_next(L, ignore_warning);
    return L;
}

}  // namespace coir
