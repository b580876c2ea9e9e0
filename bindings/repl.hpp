// repl.hpp: the interactive mode: reads a statement, runs it, prints its values, until the input
// ends.
#pragma once

#include "bindings/interpreter.hpp"

namespace coir {

// Runs until the end of standard input. An error of a statement is printed and forgotten; an error
// of the loop itself (a prompt that cannot be made) is raised.
void run_repl(lua_State* L, const InterpreterHooks& hooks);

}  // namespace coir
