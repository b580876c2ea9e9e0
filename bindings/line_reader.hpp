// line_reader.hpp: lines of standard input for the interactive mode.
//
// At a terminal the line is edited, completed by Tab and remembered in ~/.coir_history. From
// anywhere else it is read byte by byte, so that nothing beyond it is taken from the statement or
// the child process that reads standard input next, and is echoed behind its prompt as lua5.4
// echoes it.
#pragma once

#include "bindings/interpreter.hpp"

namespace coir {

enum class LineStatus { line, end, interrupted };

// To be called before anything is read from standard input when an interactive mode is to follow.
void prepare_piped_input();

// Shows the prompt, reads a line and pushes it without its end. Pushes nothing unless it returns
// `line`. Suspends the calling fiber if `hooks` can. Raises for lack of memory.
LineStatus push_line(lua_State* L, const char* prompt, const InterpreterHooks& hooks);

}  // namespace coir
