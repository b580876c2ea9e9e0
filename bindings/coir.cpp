// coir.cpp: the program. Runs a Lua script as the main fiber, and the scheduler until all is done.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include "bindings/home.hpp"
#include "bindings/interpreter.hpp"
#include "bindings/new_fiber.hpp"
#include "bindings/lua_heap.hpp"
#include "bindings/lua_hooks.hpp"
#include "bindings/report.hpp"
#include "bindings/signals.hpp"
#include "bindings/state.hpp"
#include "bindings/version.hpp"
#include "bindings/watch.hpp"
#include "runtime/descriptor.hpp"
#include "runtime/stack_overflow.hpp"

namespace coir {

namespace {

// The main script may nest calls of C libraries as deeply as under lua5.4, on the usual process
// stack.
constexpr std::size_t main_stack_size = 8 << 20;
constexpr std::size_t least_main_stack = 64 * 1024;  // what loading a script takes
constexpr auto grace = std::chrono::seconds(grace_seconds);

struct Program {
    Options options;
    int argc;
    char** argv;
    Scheduler* scheduler;
    LuaHeap& heap;
    LuaFiber* main_fiber = nullptr;
    bool deadlocked = false;
    int status = EXIT_FAILURE;
};

Program* program = nullptr;  // for the exit handler

// -- The main fiber -------------------------------------------------------------------------------

// The prompt waits like any other read: other fibers go on meanwhile.
bool await_input(void* context) {
    Scheduler& scheduler = *static_cast<Program*>(context)->scheduler;
    Result<unsigned> ready = wait_foreign(scheduler, STDIN_FILENO, Descriptor::readable, never);
    return ready || ready.error() != std::errc::interrupted;
}

void code_begins(void*, lua_State*) { rearm_interrupt(); }

// Whether the main fiber is cancelled because the program ends, which is no error to report.
bool ending(void*) { return asked_to_end() || program->deadlocked; }

int main_fiber_body(lua_State* L) {
    InterpreterHooks hooks;
    hooks.context = program;
    hooks.await_input = await_input;
    hooks.code_begins = code_begins;
    hooks.ending = ending;
    program->status = run_command_line(L, program->options, program->argc, program->argv, hooks);
    program->scheduler->end_turns();  // run() looks at what has come of it
    return 0;
}

// The script's name without its folder.
std::string_view script_name(const Program& of) {
    if (of.options.script >= of.argc) return "interactive";
    const char* path = of.argv[of.options.script];
    const char* slash = std::strrchr(path, '/');
    return slash == nullptr ? path : slash + 1;
}

// Everything that may raise before the main fiber runs.
int set_up(lua_State* L) {
    open_standard_libraries(L, program->options);
    open_home(L, *program->scheduler);
    preload_modules(L, true);
    install_require(L);
    preload_hooks(L, program->options.hooks);
    luaL_requiref(L, "coir.fiber", open_fiber, 0);
    lua_settop(L, 0);
    program->main_fiber = &make_main_fiber(L, main_fiber_body);
    (void)program->main_fiber->try_set_name(script_name(*program));
    return 0;
}

// -- The end --------------------------------------------------------------------------------------

// Cancels every fiber and runs turns, at least one, until none is left or `until`; false when some
// would not stop.
bool drain(Deadline until) {
    Scheduler& scheduler = *program->scheduler;
    while (!scheduler.done()) {
        scheduler.for_each_fiber([&](Fiber& fiber) { scheduler.cancel(fiber); });
        if (scheduler.run_once(until) || Clock::now() >= until) break;
    }
    return scheduler.done();
}

// Cancels every fiber, gives it time to end, and names those that do not.
void stop_fibers(lua_State* L) {
    if (drain(Clock::now() + grace)) return;
    std::fprintf(stderr, "coir: %zu fibers would not stop:\n", program->scheduler->fibers());
    name_fibers(L, stderr);
}

[[noreturn]] void end_by_signal(lua_State* L, int signal) {
    stop_fibers(L);
    program->scheduler->finish_departures();
    die_by(signal);
}

int report_deadlock(lua_State* L) {
    std::fprintf(stderr, "coir: deadlock: no fiber can ever go on\n");
    print_fibers(L, stderr);
    program->deadlocked = true;
    return EXIT_FAILURE;
}

void at_exit() { program->scheduler->finish_departures(); }

// -- Running --------------------------------------------------------------------------------------

// Turns until the main fiber has ended, and then for as long as others have something to wait for.
// Returns the exit status.
int run(lua_State* L) {
    Scheduler& scheduler = *program->scheduler;
    while (!scheduler.done()) {
        bool main_ended = program->main_fiber->dead();
        if (main_ended && program->status != EXIT_SUCCESS) break;
        if (int signal = take_signals(L)) end_by_signal(L, signal);
        Error error = scheduler.run_once(never, Scheduler::turns_in_a_row);
        program->heap.when_due();
        if (!error) continue;
        if (error == std::errc::resource_deadlock_would_occur) {
            if (!main_ended) return report_deadlock(L);
            break;
        }
        std::fprintf(stderr, "coir: %s\n", std::strerror(error.code()));
        return EXIT_FAILURE;
    }
    return program->status;
}

int run_program(int argc, char** argv) {
    Options options = parse_options(argc, argv);
    if (std::optional<int> status = answer_without_lua(options, about_text())) return *status;
    std::size_t stack_size = options.stack_size == 0 ? StackPool::default_size : options.stack_size;
    Scheduler scheduler(stack_size);
    LuaHeap& heap = *new LuaHeap;  // never deleted: the process may end before the state is closed
    Program self{options, argc, argv, &scheduler, heap};
    program = &self;
    lua_State* L = new_state(LuaHeap::allocate, &heap);
    if (L == nullptr) {
        std::fprintf(stderr, "%s: cannot create state: not enough memory\n", options.program);
        return EXIT_FAILURE;
    }
    lua_pushcfunction(L, set_up);
    if (lua_pcall(L, 0, 0, 0) != LUA_OK) {
        report(L, options.program);
        return EXIT_FAILURE;
    }
    catch_signals(scheduler, *self.main_fiber);
    (void)report_stack_overflows(describe_overflow);
    if (options.watch_ms > 0) {
        if (Error error = watch_fibers(scheduler, std::chrono::milliseconds(options.watch_ms))) {
            std::fprintf(stderr, "%s: cannot watch: %s\n", options.program,
                         std::strerror(error.code()));
            return EXIT_FAILURE;
        }
    }
    std::atexit(at_exit);
    StackPool main_stacks(options.stack_size == 0 ? main_stack_size
                                                  : std::max(options.stack_size, least_main_stack));
    if (Error error = Scheduler::reserve_stack(*self.main_fiber, main_stacks)) {
        std::fprintf(stderr, "%s: cannot start: %s\n", options.program,
                     std::strerror(error.code()));
        return EXIT_FAILURE;
    }
    (void)scheduler.start(*self.main_fiber);
    int status = run(L);
    if (status == EXIT_SUCCESS) {
        stop_fibers(L);
    } else {
        (void)drain(Clock::now());  // a failed program waits for nothing
    }
    lua_close(L);
    // The scheduler is not destroyed: a fiber that would not stop is parked on it for ever.
    std::exit(status);
}

}  // namespace

}  // namespace coir

int main(int argc, char** argv) { return coir::run_program(argc, argv); }
