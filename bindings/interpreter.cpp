// interpreter.cpp: runs the command line: LUA_INIT, then -e, -l and -W in their order, then the
// script, standard input or the interactive mode.
//
// Lua raises by jumping over these functions, so none keeps an object with a destructor.

#include "bindings/interpreter.hpp"

#include <climits>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include <unistd.h>

#include "bindings/home.hpp"
#include "bindings/line_reader.hpp"
#include "bindings/repl.hpp"

namespace coir {

namespace {

struct CommandLine {
    const Options& options;
    int argc;
    char** argv;
    const InterpreterHooks& hooks;
    const char* program;  // null in the interactive mode, whose messages have no name before them
    bool succeeded;
};

// Turns the error object at index 1 into the text to print. Cancellation stays what it is: the code
// that it passes on its way may ask for it.
int describe_error(lua_State* L) {
    if (is_cancelled(L, 1)) return 1;
    const char* message = lua_tostring(L, 1);
    if (message == nullptr) {
        if (luaL_callmeta(L, 1, "__tostring") && lua_type(L, -1) == LUA_TSTRING) return 1;
        message = lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, 1));
    }
    luaL_traceback(L, L, message, 1);
    return 1;
}

// Reports what went wrong, if anything did; returns whether nothing did.
bool check(lua_State* L, const CommandLine& line, int status) {
    if (status == LUA_OK) return true;
    bool expected = line.hooks.ending != nullptr && line.hooks.ending(line.hooks.context);
    if (expected) {
        lua_pop(L, 1);
    } else {
        report(L, line.program);
    }
    return false;
}

// Calls the chunk that was just loaded, unless `status` says that loading failed.
bool run_chunk(lua_State* L, const CommandLine& line, int status, int arguments = 0) {
    if (status == LUA_OK) status = call_with_traceback(L, arguments, 0, line.hooks);
    return check(L, line, status);
}

bool run_text(lua_State* L, const CommandLine& line, const char* text, const char* name) {
    return run_chunk(L, line, luaL_loadbuffer(L, text, std::strlen(text), name));
}

// Runs a file, or standard input when `path` is null.
bool run_file(lua_State* L, const CommandLine& line, const char* path) {
    return run_chunk(L, line, luaL_loadfile(L, path));
}

// The modules that let scripts of another system run install that system's names when -l asks for
// them.
bool install(lua_State* L, const CommandLine& line, const char* module) {
    if (!std::string_view(module).starts_with("coir.compat.")) return true;
    if (!lua_istable(L, -1) || lua_getfield(L, -1, "install") != LUA_TFUNCTION) return true;
    return check(L, line, call_with_traceback(L, 0, 0, line.hooks));
}

// `-l mod` and `-l global=mod`.
bool require_into_global(lua_State* L, const CommandLine& line, const char* value) {
    const char* equals = std::strchr(value, '=');
    const char* module = equals == nullptr ? value : equals + 1;
    std::size_t length =
        equals == nullptr ? std::strlen(value) : static_cast<std::size_t>(equals - value);
    lua_pushlstring(L, value, length);
    int global = lua_gettop(L);
    lua_getglobal(L, "require");
    lua_pushstring(L, module);
    if (!check(L, line, call_with_traceback(L, 1, 1, line.hooks))) return false;
    if (!install(L, line, module)) return false;
    lua_settop(L, global + 1);
    lua_setglobal(L, lua_tostring(L, -2));
    lua_pop(L, 1);
    return true;
}

bool run_environment(lua_State* L, const CommandLine& line) {
    const char* name = "=LUA_INIT" LUA_VERSUFFIX;
    const char* init = std::getenv(name + 1);
    if (init == nullptr) {
        name = "=LUA_INIT";
        init = std::getenv(name + 1);
    }
    if (init == nullptr) return true;
    return init[0] == '@' ? run_file(L, line, init + 1) : run_text(L, line, init, name);
}

// Runs -e, -l and -W in their order, up to the first that fails.
bool run_options(lua_State* L, const CommandLine& line) {
    for (int i = 1; i < line.options.script; ++i) {
        char kind = line.argv[i][1];
        if (kind == 'W') lua_warning(L, "@on", 0);
        if (kind != 'e' && kind != 'l') continue;
        const char* value = line.argv[i] + 2;
        if (*value == '\0') value = line.argv[++i];
        bool ran = kind == 'e' ? run_text(L, line, value, "=(command line)")
                               : require_into_global(L, line, value);
        if (!ran) return false;
    }
    return true;
}

// Sets the global `arg`: the script's name at 0, its arguments above, the program and its options
// below.
void make_arg(lua_State* L, const CommandLine& line) {
    bool has_script = line.options.script < line.argc;
    int zero = has_script ? line.options.script : 0;
    lua_createtable(L, line.argc - zero, zero + 1);
    for (int i = 0; i < line.argc; ++i) {
        lua_pushstring(L, line.argv[i]);
        lua_rawseti(L, -2, i - zero);
    }
    lua_setglobal(L, "arg");
}

// Pushes the script's arguments, which code run earlier may have changed in `arg`; returns their
// number.
int push_arguments(lua_State* L) {
    if (lua_getglobal(L, "arg") != LUA_TTABLE) luaL_error(L, "'arg' is not a table");
    int table = lua_gettop(L);
    lua_Integer n = luaL_len(L, table);
    if (n >= INT_MAX) luaL_error(L, "too many arguments to script");
    luaL_checkstack(L, static_cast<int>(n) + 3, "too many arguments to script");
    for (int i = 1; i <= static_cast<int>(n); ++i) lua_rawgeti(L, table, i);
    lua_remove(L, table);
    return static_cast<int>(n);
}

bool run_script(lua_State* L, const CommandLine& line) {
    const char* path = line.argv[line.options.script];
    bool after_end_of_options = std::strcmp(line.argv[line.options.script - 1], "--") == 0;
    if (std::strcmp(path, "-") == 0 && !after_end_of_options) path = nullptr;
    int status = luaL_loadfile(L, path);
    int arguments = status == LUA_OK ? push_arguments(L) : 0;
    return run_chunk(L, line, status, arguments);
}

void interact(lua_State* L, CommandLine& line) {
    line.program = nullptr;
    run_repl(L, line.hooks);
    line.program = line.options.program;
}

// Runs the whole command line; returns whether the exit status is to tell of success.
bool run_parts(lua_State* L, CommandLine& line) {
    const Options& options = line.options;
    make_arg(L, line);
    if (options.lua_version) print_lua_version();
    if (!options.ignore_environment && !run_environment(L, line)) return false;
    if (!run_options(L, line)) return false;
    if (options.script < line.argc && !run_script(L, line)) return false;
    if (options.interactive) {
        interact(L, line);
        return true;
    }
    if (options.script < line.argc || options.has_statement || options.lua_version) return true;
    if (isatty(STDIN_FILENO)) {
        print_lua_version();
        interact(L, line);
    } else {
        run_file(L, line, nullptr);  // lua5.4 succeeds whatever comes of this file
    }
    return true;
}

int run_protected(lua_State* L) {
    CommandLine& line = *static_cast<CommandLine*>(lua_touserdata(L, 1));
    lua_settop(L, 0);
    line.succeeded = run_parts(L, line);
    return 0;
}

}  // namespace

void open_standard_libraries(lua_State* L, const Options& options) {
    if (options.ignore_environment) {
        lua_pushboolean(L, 1);
        lua_setfield(L, LUA_REGISTRYINDEX, "LUA_NOENV");
    }
    luaL_openlibs(L);
    constexpr int growth = 50;  // in %, until the next young collection; measured
    lua_gc(L, LUA_GCGEN, growth, 0);
}

int run_command_line(lua_State* L, const Options& options, int argc, char** argv,
                     const InterpreterHooks& hooks) {
    CommandLine line{options, argc, argv, hooks, options.program, false};
    if (options.interactive) prepare_piped_input();
    lua_pushcfunction(L, run_protected);
    lua_pushlightuserdata(L, &line);
    bool returned = check(L, line, lua_pcall(L, 1, 0, 0));
    return returned && line.succeeded ? EXIT_SUCCESS : EXIT_FAILURE;
}

int call_with_traceback(lua_State* L, int arguments, int results, const InterpreterHooks& hooks) {
    int function = lua_gettop(L) - arguments;
    lua_pushcfunction(L, describe_error);
    lua_insert(L, function);
    if (hooks.code_begins != nullptr) hooks.code_begins(hooks.context, L);
    int status = lua_pcall(L, arguments, results, function);
    if (hooks.code_ended != nullptr) hooks.code_ended(hooks.context, L);
    lua_remove(L, function);
    return status;
}

void report(lua_State* L, const char* program) {
    if (program != nullptr) std::fprintf(stderr, "%s: ", program);
    const char* message = lua_isstring(L, -1) ? lua_tostring(L, -1) : nullptr;
    if (message != nullptr)
        std::fprintf(stderr, "%s\n", message);
    else if (is_cancelled(L, -1))
        std::fprintf(stderr, "fiber is cancelled\n");
    else
        std::fprintf(stderr, "(error object is a %s value)\n", luaL_typename(L, -1));
    std::fflush(stderr);
    lua_pop(L, 1);
}

void print_lua_version() {
    std::printf("%s\n", LUA_COPYRIGHT);
    std::fflush(stdout);
}

}  // namespace coir
