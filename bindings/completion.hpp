// completion.hpp: what a word typed at the prompt may become.
#pragma once

#include <lua.hpp>

namespace coir {

// Returns the next of the names that begin with `word` (a keyword, a global, or a field of the
// table or object that stands before the last `.` or `:`), for the caller to free; null after the
// last. The first call for a word collects them and keeps them on the Lua stack until null is
// returned. Calls no Lua code, so a name behind a metamethod is not found, and never raises.
char* next_completion(lua_State* L, const char* word, bool first);

}  // namespace coir
