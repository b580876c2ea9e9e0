// lua_server_options.cpp: the arguments of the functions that make servers.
#include <algorithm>
#include <climits>

#include "bindings/lua_listener.hpp"

namespace coir {

namespace {

bool is_count(lua_State* L, int index, lua_Integer least) {
    int whole = 0;
    lua_Integer count = lua_tointegerx(L, index, &whole);
    return whole != 0 && count >= least && !is_text(L, index);
}

bool is_limit(lua_State* L, int index) { return is_count(L, index, 1); }
bool is_backlog(lua_State* L, int index) { return is_count(L, index, 0); }

constexpr Field stream_fields[] = {{"handler", "a function", is_function},
                                   {"prepare", "a function", is_function},
                                   {"name", "a string", is_text},
                                   {"max_connections", "an integer from 1", is_limit},
                                   {"backlog", "an integer from 0", is_backlog}};
constexpr Field datagram_fields[] = {{"handler", "a function", is_function},
                                     {"prepare", "a function", is_function},
                                     {"name", "a string", is_text},
                                     {"max_handlers", "an integer from 1", is_limit}};

}  // namespace

void check_server_options(lua_State* L, int index, ServerArguments& arguments) {
    const char* function = arguments.function;
    Listener::Options& options = arguments.options;
    int first = lua_gettop(L) + 1;
    arguments.handler = first;
    arguments.prepare = first + 1;
    arguments.name = first + 2;
    int limit = first + 3;
    int backlog = first + 4;
    if (lua_istable(L, index)) {
        bool stream = options.type == SOCK_STREAM;
        push_fields(L, index, function,
                    stream ? std::span<const Field>(stream_fields) : datagram_fields);
    } else if (lua_isnil(L, index) || lua_isfunction(L, index)) {
        lua_settop(L, limit);
        lua_pushvalue(L, index);
        lua_replace(L, arguments.prepares ? arguments.prepare : arguments.handler);
    } else {
        luaL_error(L, "%s: a function or a table expected, got %s", function,
                   luaL_typename(L, index));
    }
    lua_settop(L, backlog);
    if (!arguments.prepares && lua_isnil(L, arguments.handler)) {
        luaL_error(L, "%s: handler is missing", function);
    }
    if (!lua_isnil(L, limit))
        options.max_connections = static_cast<std::size_t>(lua_tointeger(L, limit));
    if (!lua_isnil(L, backlog)) {
        options.backlog =
            static_cast<int>(std::min<lua_Integer>(lua_tointeger(L, backlog), INT_MAX));
    }
}

void check_server_arguments(lua_State* L, ServerArguments& arguments) {
    lua_settop(L, 4);
    arguments.endpoint = check_endpoint(L, 1, 2);
    arguments.endpoint.type = arguments.options.type;
    arguments.endpoint.passive = true;
    arguments.deadline = opt_timeout(L, 4);
    check_server_options(L, 3, arguments);
}

}  // namespace coir
