// line_reader.cpp: chooses between the terminal and a plain stream, and reads the latter.

#include "bindings/line_reader.hpp"

#include <cerrno>
#include <cstdio>

#include <unistd.h>

#include "bindings/line_editor.hpp"

namespace coir {

namespace {

constexpr int interrupted_byte = -2;
static_assert(interrupted_byte != EOF);

int read_byte(const InterpreterHooks& hooks) {
    for (;;) {
        if (hooks.await_input != nullptr && !hooks.await_input(hooks.context))
            return interrupted_byte;
        int byte = std::getc(stdin);
        int error = errno;
        if (byte != EOF || !std::ferror(stdin) || error != EINTR) return byte;
        std::clearerr(stdin);
    }
}

void echo(lua_State* L) {
    std::size_t length;
    const char* text = lua_tolstring(L, -1, &length);
    std::fwrite(text, 1, length, stdout);
    std::fputc('\n', stdout);
    std::fflush(stdout);
}

LineStatus push_plain_line(lua_State* L, const char* prompt, const InterpreterHooks& hooks) {
    std::fputs(prompt, stdout);
    std::fflush(stdout);
    luaL_Buffer line;
    luaL_buffinit(L, &line);
    int byte = read_byte(hooks);
    for (; byte >= 0 && byte != '\n'; byte = read_byte(hooks))
        luaL_addchar(&line, static_cast<char>(byte));
    luaL_pushresult(&line);
    bool nothing = byte == EOF && lua_rawlen(L, -1) == 0;
    if (byte == interrupted_byte || nothing) {
        lua_pop(L, 1);
        return nothing ? LineStatus::end : LineStatus::interrupted;
    }
    echo(L);
    return LineStatus::line;
}

}  // namespace

void prepare_piped_input() {
    if (!isatty(STDIN_FILENO)) std::setvbuf(stdin, nullptr, _IONBF, 0);
}

LineStatus push_line(lua_State* L, const char* prompt, const InterpreterHooks& hooks) {
    return isatty(STDIN_FILENO) ? push_edited_line(L, prompt, hooks)
                                : push_plain_line(L, prompt, hooks);
}

}  // namespace coir
