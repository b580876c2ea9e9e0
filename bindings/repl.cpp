// repl.cpp: the interactive mode.
//
// A line is first tried as an expression (`return` before it), then as a statement that goes on for
// as many lines as Lua finds it unfinished. Nothing here keeps an object with a destructor.

#include "bindings/repl.hpp"

#include <cstdio>
#include <cstring>
#include <string_view>

#include "bindings/line_reader.hpp"

namespace coir {

namespace {

constexpr const char* chunk_name = "=stdin";

// Pushes the text of the global `name`, or `standard` when there is none.
const char* push_prompt(lua_State* L, const char* name, const char* standard) {
    if (lua_getglobal(L, name) == LUA_TNIL) {
        lua_pop(L, 1);
        return lua_pushstring(L, standard);
    }
    luaL_tolstring(L, -1, nullptr);
    lua_remove(L, -2);
    return lua_tostring(L, -1);
}

// Pushes the next line of input, if there is one.
LineStatus push_prompted_line(lua_State* L, bool first, const InterpreterHooks& hooks) {
    const char* prompt =
        first ? push_prompt(L, "_PROMPT", "> ") : push_prompt(L, "_PROMPT2", ">> ");
    LineStatus status = push_line(L, prompt, hooks);
    lua_remove(L, status == LineStatus::line ? -2 : -1);
    return status;
}

int load_line(lua_State* L) {
    std::size_t length;
    const char* text = lua_tolstring(L, -1, &length);
    return luaL_loadbuffer(L, text, length, chunk_name);
}

// Replaces the text on top of the stack by `return` and its rest after `skipped` bytes.
void put_return_before(lua_State* L, std::size_t skipped) {
    std::size_t length;
    const char* text = lua_tolstring(L, -1, &length);
    lua_pushliteral(L, "return ");
    lua_pushlstring(L, text + skipped, length - skipped);
    lua_concat(L, 2);
    lua_remove(L, -2);
}

// Tries the line on top of the stack as an expression. Pushes the function only if that works.
bool load_expression(lua_State* L) {
    lua_pushvalue(L, -1);
    put_return_before(L, 0);
    int status = load_line(L);
    lua_remove(L, -2);
    if (status != LUA_OK) lua_pop(L, 1);
    return status == LUA_OK;
}

// Whether the message on top of the stack says that the statement goes on.
bool is_unfinished(lua_State* L, int status) {
    if (status != LUA_ERRSYNTAX) return false;
    std::size_t length;
    const char* message = lua_tolstring(L, -1, &length);
    return std::string_view(message, length).ends_with("<eof>");
}

// Loads the statement whose first line is on top of the stack, reading on while it is unfinished.
// Pushes the function or the message. Returns `line`, or `interrupted` when there is neither.
LineStatus load_statement(lua_State* L, const InterpreterHooks& hooks, int* status) {
    for (;;) {
        *status = load_line(L);
        if (!is_unfinished(L, *status)) return LineStatus::line;
        LineStatus next = push_prompted_line(L, false, hooks);
        if (next == LineStatus::interrupted) return next;
        if (next == LineStatus::end) return LineStatus::line;
        lua_remove(L, -2);
        lua_pushliteral(L, "\n");
        lua_insert(L, -2);
        lua_concat(L, 3);
    }
}

// Reads one statement; the function or the message ends up on top of the stack.
LineStatus read_statement(lua_State* L, const InterpreterHooks& hooks, int* status) {
    LineStatus read = push_prompted_line(L, true, hooks);
    if (read != LineStatus::line) return read;
    if (lua_tostring(L, -1)[0] == '=') put_return_before(L, 1);
    if (load_expression(L)) return LineStatus::line;
    return load_statement(L, hooks, status);
}

// Prints the values above index `base`.
void print_values(lua_State* L, int base) {
    int n = lua_gettop(L) - base;
    if (n == 0) return;
    luaL_checkstack(L, LUA_MINSTACK, "too many results to print");
    lua_getglobal(L, "print");
    lua_insert(L, base + 1);
    if (lua_pcall(L, n, 0, 0) == LUA_OK) return;
    lua_pushfstring(L, "error calling 'print' (%s)", lua_tostring(L, -1));
    report(L, nullptr);
}

}  // namespace

void run_repl(lua_State* L, const InterpreterHooks& hooks) {
    int base = lua_gettop(L);
    for (;;) {
        lua_settop(L, base);
        int status = LUA_OK;
        LineStatus read = read_statement(L, hooks, &status);
        if (read == LineStatus::end) break;
        if (read == LineStatus::interrupted) continue;
        lua_replace(L, base + 1);
        lua_settop(L, base + 1);
        if (status == LUA_OK) status = call_with_traceback(L, 0, LUA_MULTRET, hooks);
        if (status == LUA_OK)
            print_values(L, base);
        else
            report(L, nullptr);
    }
    std::fputc('\n', stdout);
    std::fflush(stdout);
}

}  // namespace coir
