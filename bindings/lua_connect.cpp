// lua_connect.cpp: socket.tcp_connect.
#include "bindings/lua_socket_module.hpp"
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

void add_connect_functions(lua_State* L) {
    lua_pushcfunction(L, module_tcp_connect);
    lua_setfield(L, -2, "tcp_connect");
}

}  // namespace coir
