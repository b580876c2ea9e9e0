// interpreter.hpp: what the `coir` program does with its command line, on a Lua state it is given.
//
// It means what lua5.4 means by the same words: `-e -l -i -v -E -W -- -`, the table `arg`,
// LUA_INIT, the messages, the exit status. Coir's own options are long ones. Nothing here knows of
// fibers: what the runtime has to do while a line is awaited or a chunk runs, it says through
// `InterpreterHooks`.
#pragma once

#include <cstddef>
#include <cstdio>
#include <optional>

#include <lua.hpp>

namespace coir {

enum class Complaint { none, unknown_option, missing_argument, invalid_size, invalid_time };

// What the command line asks for. The strings are argv's own.
struct Options {
    const char* program = "coir";     // the name messages begin with
    std::size_t stack_size = 0;       // of a fiber's C stack, in bytes; 0 means the default
    int script = 0;                   // index of the script's name in argv, argc when there is none
    bool interactive = false;         // -i
    bool lua_version = false;         // -v or -i
    bool has_statement = false;       // -e
    bool ignore_environment = false;  // -E
    unsigned watch_ms = 0;            // --watch; 0: not
    bool hooks = true;                // not --no-hooks
    bool help = false;
    bool version = false;
    Complaint complaint = Complaint::none;  // what is wrong with `culprit`; nothing is run then
    const char* culprit = nullptr;
};

// What the runtime adds. Every member may be null.
struct InterpreterHooks {
    void* context = nullptr;

    // Waits until descriptor 0 has something to read and returns true, or returns false because the
    // user interrupted the line being typed. Calls no Lua. Without it, reading blocks the thread.
    bool (*await_input)(void* context) = nullptr;

    // Told before the user's code starts to run on `L` in protected mode, and after it has ended.
    // An interrupt belongs to that code in between, and to nobody otherwise.
    void (*code_begins)(void* context, lua_State* L) = nullptr;
    void (*code_ended)(void* context, lua_State* L) = nullptr;

    // Whether the program has been asked to end: what the user's code raises then is not reported.
    bool (*ending)(void* context) = nullptr;
};

Options parse_options(int argc, char** argv);

// Answers a command line that needs no Lua state (a mistake, --help, --version) and returns the
// exit status; otherwise does nothing. `about` is the line that --version prints.
std::optional<int> answer_without_lua(const Options& options, const char* about);

// Opens the standard libraries as lua5.4 does: deaf to the environment after -E, and with the
// collector in generational mode, with young collections at 50 %. Raises.
void open_standard_libraries(lua_State* L, const Options& options);

// Runs everything the command line asks for, printing errors to stderr, and returns EXIT_SUCCESS or
// EXIT_FAILURE. It never raises; the user's code may suspend the calling fiber.
int run_command_line(lua_State* L, const Options& options, int argc, char** argv,
                     const InterpreterHooks& hooks = {});

// Calls the function below its `arguments` on the stack like lua_pcall, with a message handler that
// turns the error into text with a traceback.
int call_with_traceback(lua_State* L, int arguments, int results, const InterpreterHooks& hooks);

// Prints the error object on top of the stack to stderr, after `program` and a colon unless that is
// null, and pops it.
void report(lua_State* L, const char* program);

// Prints the line with which Lua names itself.
void print_lua_version();

}  // namespace coir
