// signals.hpp: what the `coir` program does about signals.
//
// A handler only notes the signal and ends the poller's wait; the dispatcher acts between two
// turns. The one exception is Ctrl-C while the main fiber computes: it is stopped at its next
// instruction.
#pragma once

#include <lua.hpp>

#include "runtime/scheduler.hpp"

namespace coir {

class LuaFiber;

// How long fibers have to end when the program is asked to.
constexpr unsigned grace_seconds = 5;

// Makes SIGPIPE harmless, unless nobody reads the program's own output any more, and catches
// SIGINT, SIGTERM and SIGQUIT from now on, for this scheduler.
void catch_signals(Scheduler& scheduler, LuaFiber& main);

// A second SIGINT ends the process, until the user's next piece of code begins.
void rearm_interrupt();

// Acts on what has arrived. Returns the signal that asks the program to end, or 0.
int take_signals(lua_State* L);

// Whether a SIGTERM has come.
bool asked_to_end();

// Ends the process by `signal`, as if it had never been caught.
[[noreturn]] void die_by(int signal);

}  // namespace coir
