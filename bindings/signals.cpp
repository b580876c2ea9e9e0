#include "bindings/signals.hpp"

#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "bindings/interpreter.hpp"
#include "bindings/lua_fiber.hpp"
#include "bindings/report.hpp"

namespace coir {

namespace {

Scheduler* signalled = nullptr;
LuaFiber* main_fiber = nullptr;
volatile sig_atomic_t interrupted = 0;
volatile sig_atomic_t terminated = 0;
volatile sig_atomic_t asked = 0;

void on_interrupt(int signal) {
    ::signal(signal, SIG_DFL);
    if (main_fiber->state() == Fiber::State::running) {
        interrupt(main_fiber->thread);
    } else {
        interrupted = 1;
        signalled->nudge();
    }
}

void on_terminate(int) {
    terminated = 1;
    signalled->nudge();
}

void on_ask(int) {
    asked = 1;
    signalled->nudge();
}

void handle(int signal, void (*handler)(int)) {
    struct sigaction action {};
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    ::sigemptyset(&action.sa_mask);
    ::sigaction(signal, &action, nullptr);
}

}  // namespace

void catch_signals(Scheduler& scheduler, LuaFiber& main) {
    signalled = &scheduler;
    main_fiber = &main;
    ::signal(SIGPIPE, SIG_IGN);
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

void die_by(int signal) {
    std::fflush(nullptr);
    ::signal(signal, SIG_DFL);
    ::raise(signal);
    ::_exit(128 + signal);
}

}  // namespace coir
