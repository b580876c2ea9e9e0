// socket_names.hpp: the names that scripts use for families, types, protocols, flags and levels.
#pragma once

#include <lua.hpp>

#include "runtime/error.hpp"

namespace coir {

// Each reads the argument at `index`, a name or a number, and raises nothing.
Result<int> to_domain(lua_State* L, int index);    // AF_* or PF_*; EINVAL
Result<int> to_type(lua_State* L, int index);      // SOCK_*; EINVAL
Result<int> to_protocol(lua_State* L, int index);  // /etc/protocols; EPROTOTYPE, EINVAL
Result<int> to_level(lua_State* L, int index);     // SOL_*, IPPROTO_*; EPROTOTYPE, EINVAL

// One name (MSG_*) or a table of names; nothing is 0. EINVAL.
Result<int> to_flags(lua_State* L, int index);

// The same for the flags of a name look-up (AI_*).
Result<int> to_look_up_flags(lua_State* L, int index);

void push_domain(lua_State* L, int domain);      // "AF_INET", or the number
void push_type(lua_State* L, int type);          // "SOCK_STREAM", or the number
void push_protocol(lua_State* L, int protocol);  // "tcp", or the number; 0 stays 0

// The table `internal` with DOMAIN, SO_TYPE, SEND_FLAGS, AI_FLAGS and protocols.
void push_name_tables(lua_State* L);

}  // namespace coir
