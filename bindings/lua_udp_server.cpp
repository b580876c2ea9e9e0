// lua_udp_server.cpp: socket.udp_server: a fiber receives, and each datagram has a fiber that calls
// the handler.
//
// One recvmsg(2) takes one datagram. recvmmsg(2) was tried: it saves about a tenth of the
// receiving, which is itself a small part of what a datagram, its handler and the answer cost.
#include "bindings/lua_listener.hpp"

namespace coir {

namespace {

constexpr std::size_t largest_datagram = 65536;
constexpr std::size_t default_handlers = 1000;

class DatagramFiber final : public HandlerFiber {
public:
    DatagramFiber(const Birth& birth, LuaListener& server, const Socket& on, const Arrival& arrival)
        : HandlerFiber(birth, server), asked_{on, arrival} {}

    const AskedDatagram* asked() const override { return &asked_; }
    std::string_view shown_name(NameRoom& room) const override {
        return name_after(asked_.arrival.from, room);
    }

private:
    AskedDatagram asked_;
};

// Starts the handler for a datagram, whose data is on top of the stack.
Error start_datagram(lua_State* L, LuaListener& shared, const LuaSocket& on,
                     const Arrival& arrival) {
    int data = lua_gettop(L);
    push_handler(L, 2);
    lua_pushvalue(L, data);
    push_sender(L, arrival.from);
    lua_pushvalue(L, 2);
    return start_handler<DatagramFiber>(L, shared, on.socket, data + 2, on.socket, arrival);
}

Result<std::string_view> receive(LuaListener& shared, LuaSocket& on, std::span<char> room,
                                 Arrival& arrival) {
    for (;;) {
        if (Error error = shared.listener.await_room()) return error;
        if (!on.socket.is_open()) return std::errc::bad_file_descriptor;
        Result<std::string_view> data = receive_datagram(on.socket, room, arrival);
        if (data) return data;
        if (Error error = shared.listener.endure(data.error(), on.socket)) return error;
    }
}

// Receives until the socket is closed: (listener, socket).
int receive_datagrams(lua_State* L) {
    auto& shared = *static_cast<LuaListener*>(lua_touserdata(L, 1));
    auto& on = *static_cast<LuaSocket*>(lua_touserdata(L, 2));
    auto* room = static_cast<char*>(lua_newuserdatauv(L, largest_datagram, 0));
    for (;;) {
        lua_settop(L, 3);
        Arrival arrival;
        Result<std::string_view> data = receive(shared, on, {room, largest_datagram}, arrival);
        Error error = data.error();
        if (data) {
            push_view(L, *data);
            error = start_datagram(L, shared, on, arrival);
        }
        if (error == std::errc::bad_file_descriptor) return 0;
        if (error) return module_failure(L, error);
    }
}

int receive_for_ever(lua_State* L) { return outlast_shortage(L, receive_datagrams); }

// udp_server(host, port, handler | options[, timeout]) -> server, address
int module_udp_server(lua_State* L) {
    ServerArguments arguments{.function = "udp_server"};
    arguments.options.type = SOCK_DGRAM;
    arguments.options.max_connections = default_handlers;
    check_server_arguments(L, arguments);
    if (arguments.endpoint.host == "unix/")
        return module_failure(L, std::errc::address_family_not_supported);
    LuaListener* shared = push_open_listener(L, arguments);
    if (shared == nullptr) return 3;
    for (const Socket* socket : shared->listener.sockets()) {
        if (Error error = tell_destinations(*socket)) return module_failure(L, error);
    }
    if (!start_serving(L, lua_gettop(L) - 1, receive_for_ever)) return 3;
    push_address_asked_for(L, *shared);
    return 2;
}

}  // namespace

void add_udp_server(lua_State* L) {
    lua_pushcfunction(L, module_udp_server);
    lua_setfield(L, -2, "udp_server");
}

}  // namespace coir
