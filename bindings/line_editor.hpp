// line_editor.hpp: one line from a terminal, by libedit.
#pragma once

#include "bindings/line_reader.hpp"

namespace coir {

// Like push_line, at a terminal. libedit has one editor for the process, so one fiber at a time may
// call this.
LineStatus push_edited_line(lua_State* L, const char* prompt, const InterpreterHooks& hooks);

}  // namespace coir
