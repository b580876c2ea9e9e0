// lua_socket_module.hpp: what the functions of the module share.
#pragma once

#include "bindings/lua_resolver.hpp"
#include "bindings/lua_socket.hpp"
#include "runtime/endpoint.hpp"

namespace coir {

// fail_look_up() without a message of its own.
inline int module_failure(lua_State* L, Error error) { return fail_look_up(L, error, {}); }

// The host and the port at these indexes: a string or nil, and a number or a string. Raises for
// others. What it makes text of it leaves on the stack.
Endpoint check_endpoint(lua_State* L, int host, int port);

// An option in a table: its name, and what it may be beside nil.
struct Field {
    const char* name;
    const char* expected;  // "a function"
    bool (*fits)(lua_State* L, int index);
};
bool is_function(lua_State* L, int index);
bool is_text(lua_State* L, int index);    // a string
bool is_port(lua_State* L, int index);    // a number or a string
bool is_number(lua_State* L, int index);  // and not NaN
bool is_flag(lua_State* L, int index);    // a boolean

// Pushes these fields of the table at `index`, one after the other. Raises for one that does not
// fit, and for any that is not among them; `function` is who complains.
void push_fields(lua_State* L, int index, const char* function, std::span<const Field> fields);

// Each adds its functions to the table on top of the stack.
void add_connect_functions(lua_State* L);
void add_server_functions(lua_State* L);

}  // namespace coir
