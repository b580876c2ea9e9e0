#include "bindings/signals.hpp"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "bindings/lua_fiber.hpp"
#include "bindings/report.hpp"
#include "runtime/stack_overflow.hpp"

namespace coir {

namespace {

Scheduler* signalled = nullptr;
LuaFiber* main_fiber = nullptr;
volatile sig_atomic_t interrupted = 0;
volatile sig_atomic_t terminated = 0;
volatile sig_atomic_t asked = 0;

void handle(int signal, void (*handler)(int)) {
    struct sigaction action {};
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    ::sigemptyset(&action.sa_mask);
    ::sigaction(signal, &action, nullptr);
}

// The program's own hook, which ours takes the place of.
lua_Hook own_hook = nullptr;
int own_mask = 0;
int own_count = 0;

void restore_hook(lua_State* L) { lua_sethook(L, own_hook, own_mask, own_count); }

void raise_interrupted(lua_State* L, lua_Debug*) {
    restore_hook(L);
    if (L != main_fiber->thread()) return;  // a thread that was made meanwhile inherits hooks
    interrupted = 0;
    luaL_error(L, "interrupted!");
}

// The main fiber raises at its next instruction, unless the dispatcher finds it parked before that.
void on_interrupt(int signal) {
    ::signal(signal, SIG_DFL);
    interrupted = 1;
    lua_State* L = main_fiber->thread();
    if (!main_fiber->dead() && lua_gethook(L) != raise_interrupted) {
        own_hook = lua_gethook(L);
        own_mask = lua_gethookmask(L);
        own_count = lua_gethookcount(L);
        lua_sethook(L, raise_interrupted, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT,
                    1);
    }
    signalled->nudge();
}

// The last resort against a fiber that computes and never lets the dispatcher act.
void on_grace_over(int) {
    write_stderr("coir: a fiber does not let the others run: ended by force\n");
    ::signal(SIGTERM, SIG_DFL);
    ::raise(SIGTERM);
}

void on_terminate(int) {
    terminated = 1;
    signalled->nudge();
    handle(SIGALRM, on_grace_over);
    ::alarm(grace_seconds + 1);
}

// A pipe or socket that nobody reads any more is an error of the write, but a program whose own
// output nobody reads would go on for ever in vain: it ends as others do.
void on_broken_pipe(int) {
    int saved_errno = errno;
    pollfd outputs[] = {{STDOUT_FILENO, 0, 0}, {STDERR_FILENO, 0, 0}};
    ::poll(outputs, 2, 0);
    bool unread = ((outputs[0].revents | outputs[1].revents) & (POLLERR | POLLHUP)) != 0;
    if (unread) {
        ::signal(SIGPIPE, SIG_DFL);
        ::raise(SIGPIPE);  // ends the process when this handler returns
    }
    errno = saved_errno;
}

void on_ask(int) {
    asked = 1;
    signalled->nudge();
}

}  // namespace

void catch_signals(Scheduler& scheduler, LuaFiber& main) {
    signalled = &scheduler;
    main_fiber = &main;
    handle(SIGPIPE, on_broken_pipe);
    handle(SIGINT, on_interrupt);
    handle(SIGTERM, on_terminate);
    handle(SIGQUIT, on_ask);
}

void rearm_interrupt() { handle(SIGINT, on_interrupt); }

int take_signals(lua_State* L) {
    if (asked) {
        asked = 0;
        print_fibers(L, stderr);
    }
    if (terminated) return SIGTERM;
    if (!interrupted) return 0;
    if (main_fiber->dead()) return SIGINT;
    if (main_fiber->state() != Fiber::State::parked) return 0;  // it raises when it goes on
    restore_hook(main_fiber->thread());
    interrupted = 0;
    signalled->interrupt(*main_fiber);
    return 0;
}

bool asked_to_end() { return terminated != 0; }

void die_by(int signal) {
    std::fflush(nullptr);
    ::signal(signal, SIG_DFL);
    ::raise(signal);
    ::_exit(128 + signal);
}

}  // namespace coir
