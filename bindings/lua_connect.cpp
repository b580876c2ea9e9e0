// lua_connect.cpp: socket.tcp_connect, and what the functions that take a host and a port share.
#include <algorithm>
#include <cmath>

#include "bindings/lua_fiber.hpp"
#include "bindings/lua_socket.hpp"
#include "runtime/connect.hpp"

namespace coir {

namespace {

struct ConnectArguments {
    Endpoint endpoint;
    ConnectOptions options;
    Deadline deadline;
};

bool is_address(lua_State* L, int index) { return is_text(L, index) || lua_istable(L, index); }

constexpr Field connect_fields[] = {
    {"host", "a string", is_text},           {"port", "a number or a string", is_port},
    {"timeout", "a number", is_number},      {"bind", "a string or a table", is_address},
    {"nodelay", "a boolean", is_flag},       {"keepalive", "a boolean", is_flag},
    {"attempt_delay", "a number", is_number}};
constexpr Field bind_fields[] = {{"host", "a string", is_text},
                                 {"port", "a number or a string", is_port}};

// `bind`: a numeric address, or a table with one as `host` and perhaps a `port`.
Address check_local_address(lua_State* L, int index) {
    Endpoint local;
    local.service = "0";
    if (lua_isnil(L, index)) return {};
    if (lua_istable(L, index)) {
        push_fields(L, index, "tcp_connect: bind", bind_fields);
        int port = lua_gettop(L);
        if (!lua_isnil(L, port)) local = check_endpoint(L, port - 1, port);
        local.host = lua_isnil(L, port - 1) ? "" : to_view(L, port - 1);
    } else {
        local.host = to_view(L, index);
    }
    Result<std::uint16_t> port = parse_port(local.service);
    Result<Address> address = Address::inet(AF_UNSPEC, local.host, port ? *port : 0);
    if (!port || !address) luaL_error(L, "tcp_connect: bind: not a numeric address and a port");
    return *address;
}

// tcp_connect(host, port[, timeout]), or tcp_connect{host =, port =, ...}
ConnectArguments check_connect_arguments(lua_State* L) {
    ConnectArguments arguments;
    if (!lua_istable(L, 1)) {
        lua_settop(L, 3);
        arguments.endpoint = check_endpoint(L, 1, 2);
        arguments.deadline = opt_timeout(L, 3);
        return arguments;
    }
    lua_settop(L, 1);
    push_fields(L, 1, "tcp_connect", connect_fields);
    if (lua_isnil(L, 3)) luaL_error(L, "tcp_connect: port is missing");
    arguments.endpoint = check_endpoint(L, 2, 3);
    arguments.deadline = opt_timeout(L, 4);
    arguments.options.local = check_local_address(L, 5);
    arguments.options.nodelay = lua_toboolean(L, 6) != 0;
    arguments.options.keepalive = lua_toboolean(L, 7) != 0;
    arguments.endpoint.family = arguments.options.local.family();
    if (!lua_isnil(L, 8)) {
        double seconds = std::clamp(lua_tonumber(L, 8), 0.0, 1e9);
        arguments.options.attempt_delay = Duration(static_cast<Duration::rep>(seconds * 1e9));
    }
    return arguments;
}

int module_tcp_connect(lua_State* L) {
    ConnectArguments arguments = check_connect_arguments(L);
    Resolver& resolver = resolver_of(L);
    auto& why = push_owned<std::string>(L);
    LuaSocket& s = push_new_socket(L);
    begin_wait(L);
    const auto& [endpoint, options, deadline] = arguments;
    if (Error error = connect(s.socket, resolver, endpoint, options, deadline, why)) {
        return fail_look_up(L, error, why);
    }
    set_errno(L, 0);
    return 1;
}

}  // namespace

Endpoint check_endpoint(lua_State* L, int host, int port) {
    Endpoint endpoint;
    if (!lua_isnoneornil(L, host)) endpoint.host = check_text(L, host);
    if (lua_type(L, port) == LUA_TNUMBER) {
        int is_whole = 0;
        lua_Integer whole = lua_tointegerx(L, port, &is_whole);
        if (is_whole) {
            lua_pushinteger(L, whole);
        } else {
            lua_pushvalue(L, port);
        }
        endpoint.service = to_view(L, -1);
    } else {
        endpoint.service = check_text(L, port);
    }
    return endpoint;
}

bool is_function(lua_State* L, int index) { return lua_isfunction(L, index); }
bool is_text(lua_State* L, int index) { return lua_type(L, index) == LUA_TSTRING; }
bool is_port(lua_State* L, int index) {
    return is_text(L, index) || lua_type(L, index) == LUA_TNUMBER;
}
bool is_flag(lua_State* L, int index) { return lua_isboolean(L, index); }
bool is_number(lua_State* L, int index) {
    return lua_type(L, index) == LUA_TNUMBER && !std::isnan(lua_tonumber(L, index));
}

void push_fields(lua_State* L, int index, const char* function, std::span<const Field> fields) {
    for (const Field& field : fields) {
        lua_getfield(L, index, field.name);
        if (lua_isnil(L, -1) || field.fits(L, -1)) continue;
        luaL_error(L, "%s: %s must be %s, not %s", function, field.name, field.expected,
                   luaL_typename(L, -1));
    }
    for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1)) {
        std::string_view key = is_text(L, -2) ? to_view(L, -2) : std::string_view();
        bool known = std::any_of(fields.begin(), fields.end(),
                                 [key](const Field& field) { return key == field.name; });
        if (known) continue;
        luaL_tolstring(L, -2, nullptr);
        luaL_error(L, "%s: unknown option %s", function, lua_tostring(L, -1));
    }
}

void add_connect_functions(lua_State* L) {
    lua_pushcfunction(L, module_tcp_connect);
    lua_setfield(L, -2, "tcp_connect");
}

}  // namespace coir
