#include "bindings/signals.hpp"

#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "bindings/interpreter.hpp"
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

void on_interrupt(int signal) {
    ::signal(signal, SIG_DFL);
    if (main_fiber->state() == Fiber::State::running) {
        interrupt(main_fiber->thread);
    } else {
        interrupted = 1;
        signalled->nudge();
    }
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

void on_ask(int) {
    asked = 1;
    signalled->nudge();
}

}  // namespace

void catch_signals(Scheduler& scheduler, LuaFiber& main) {
    signalled = &scheduler;
    main_fiber = &main;
    handle(SIGPIPE, [](int) {});  // not ignored: children would inherit that
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
    interrupted = 0;
    if (main_fiber->dead()) return SIGINT;
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
