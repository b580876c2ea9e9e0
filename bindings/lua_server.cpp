// lua_server.cpp: socket.tcp_server and its two halves.
#include "bindings/lua_listener.hpp"

namespace coir {

namespace {

class ConnectionFiber final : public HandlerFiber {
public:
    ConnectionFiber(const Birth& birth, LuaListener& server, LuaSocket& client, const Address& peer)
        : HandlerFiber(birth, server, &client.socket), client_(client), peer_(peer) {}

    std::string_view shown_name(NameRoom& room) const override { return name_after(peer_, room); }

private:
    void returned() override;

    LuaSocket& client_;
    Address peer_;
};

void ConnectionFiber::returned() {
    lua_State* L = thread();
    Socket& socket = client_.socket;
    if (socket.is_open()) (void)finish_output(L, client_, write_deadline(L, client_, 1));
    if (socket.is_open()) (void)socket.close();
    if (!socket.in_use()) return socket.abandon();
    push_fiber(L, *this);
    lua_getiuservalue(L, -1, FiberHandle::socket_value);
    add_finalizer(L, -1);
    lua_pop(L, 2);
}

// Starts the handler for the client on top of the stack.
Error start_client(lua_State* L, LuaListener& shared, const LuaSocket& on, LuaSocket& client,
                   const Address& from) {
    int index = lua_gettop(L);
    push_handler(L, index);
    lua_pushvalue(L, index);
    if (shared.tells_sender) push_sender(L, from);
    return start_handler<ConnectionFiber>(L, shared, on.socket, index + 2, client, from);
}

// Accepts until the socket is closed: (listener, socket). A client's object is made before the
// client comes: nothing that can fail may stand between accept() and the owner. That is the
// listener at first, and the handler's fiber once it has begun.
int accept_connections(lua_State* L) {
    auto& shared = *static_cast<LuaListener*>(lua_touserdata(L, 1));
    auto& on = *static_cast<LuaSocket*>(lua_touserdata(L, 2));
    push_served_metatable(L);
    int metatable = lua_gettop(L);
    for (;;) {
        lua_settop(L, metatable);
        LuaSocket& client = push_served_socket(L, metatable);
        Address from;
        Result<int> fd = shared.listener.accept(on.socket, from);
        Error error = fd.error();
        if (fd) {
            client.socket.accepted(*fd, on.socket);
            client.waiting = on.waiting;
            shared.incoming = &client;
            error = start_client(L, shared, on, client, from);
        }
        if (!error) continue;
        if (error == std::errc::bad_file_descriptor) break;
        return module_failure(L, error);
    }
    lua_pushboolean(L, true);
    return 1;
}

int accept_for_ever(lua_State* L) { return outlast_shortage(L, accept_connections); }

// tcp_server(host, port, handler | options[, timeout]) -> server, address
int module_tcp_server(lua_State* L) {
    ServerArguments arguments{.function = "tcp_server"};
    check_server_arguments(L, arguments);
    LuaListener* shared = push_open_listener(L, arguments);
    if (shared == nullptr) return 3;
    if (!start_serving(L, lua_gettop(L) - 1, accept_for_ever)) return 3;
    push_address_asked_for(L, *shared);
    return 2;
}

// tcp_server_create(host, port[, prepare | options[, timeout]]) -> server, address
int module_tcp_server_create(lua_State* L) {
    ServerArguments arguments{.function = "tcp_server_create", .prepares = true};
    check_server_arguments(L, arguments);
    LuaListener* shared = push_open_listener(L, arguments);
    if (shared == nullptr) return 3;
    push_address_asked_for(L, *shared);
    return 2;
}

// Pushes the socket that argument 1 is, or whose descriptor it is.
LuaSocket& push_listening_socket(lua_State* L) {
    if (LuaSocket* s = test_socket(L, 1)) {
        if (!s->socket.is_open()) luaL_error(L, "attempt to use closed socket");
        lua_pushvalue(L, 1);
        return *s;
    }
    int fd = check_descriptor(L, 1);
    LuaSocket& s = push_new_socket(L);
    if (s.socket.adopt(fd, true)) luaL_error(L, "descriptor %d cannot be used", fd);
    return s;
}

// tcp_server_loop(socket | fd, handler | options) -> true | nil, message, code
int module_tcp_server_loop(lua_State* L) {
    ServerArguments arguments{.function = "tcp_server_loop"};
    lua_settop(L, 2);
    check_server_options(L, 2, arguments);
    LuaSocket& s = push_listening_socket(L);
    int socket = lua_gettop(L);
    if (s.listener == nullptr) {
        push_new_listener(L, arguments);
    } else {
        lua_getiuservalue(L, socket, 1);
        set_listener_options(L, socket + 1, arguments);
        if (!start_serving(L, socket + 1, accept_for_ever, 1)) return 3;
    }
    lua_pushcfunction(L, accept_for_ever);
    lua_pushvalue(L, socket + 1);
    lua_pushvalue(L, socket);
    lua_call(L, 2, LUA_MULTRET);
    return lua_gettop(L) - socket - 1;
}

}  // namespace

void add_server_functions(lua_State* L) {
    static const luaL_Reg functions[] = {{"tcp_server", module_tcp_server},
                                         {"tcp_server_create", module_tcp_server_create},
                                         {"tcp_server_loop", module_tcp_server_loop},
                                         {nullptr, nullptr}};
    make_listener_class(L);
    add_udp_server(L);
    luaL_setfuncs(L, functions, 0);
}

}  // namespace coir
