// lua_socket_transfer.cpp: the socket methods that receive or send with one system call.
#include <sys/socket.h>

#include <algorithm>

#include "bindings/lua_socket.hpp"
#include "bindings/socket_names.hpp"

namespace coir {

namespace {

constexpr std::size_t default_read_size = 16320;

// -- Receiving and sending ------------------------------------------------------------------------

// Pushes what was received, and then says that it was taken: nothing is lost if the push fails.
int push_received(lua_State* L, LuaSocket& s, Result<std::string_view> data) {
    if (!data) return fail(L, s, data.error());
    push_view(L, *data);
    s.socket.received();
    return 1;
}

int socket_sysread(lua_State* L) {
    LuaSocket& s = check_socket(L);
    std::size_t size = lua_isnoneornil(L, 2) ? default_read_size : check_size(L, 2);
    Deadline deadline = receive_deadline(L, s, 3);
    begin_operation(L, deadline);
    if (size == 0) {
        lua_pushliteral(L, "");
        return 1;
    }
    return push_received(L, s, s.socket.receive(size, 0, nullptr, deadline));
}

// Where the flags and the timeout of recv and send are: the flags may be left out.
struct Tail {
    Result<int> flags;
    int timeout;
};

Tail to_tail(lua_State* L, const LuaSocket& s, int index) {
    if (s.waiting && lua_type(L, index) == LUA_TNUMBER) return {0, index};
    return {to_flags(L, index), index + 1};
}

// recv([size[, flags]][, timeout]), recvfrom the same
int receive(lua_State* L, bool with_sender) {
    LuaSocket& s = check_socket(L);
    std::size_t size = lua_isnoneornil(L, 2) ? 0 : check_size(L, 2);
    Tail tail = to_tail(L, s, 3);
    Deadline deadline = receive_deadline(L, s, tail.timeout);
    if (!tail.flags) return fail(L, s, tail.flags.error());
    begin_operation(L, deadline);
    bool nothing = size == 0 && !lua_isnoneornil(L, 2);
    if (nothing && (s.socket.type() == SOCK_STREAM || s.socket.type() == 0)) {
        lua_pushliteral(L, "");
        return 1;
    }
    Address from;
    Result<std::string_view> data =
        s.socket.receive(nothing ? 1 : size, *tail.flags, &from, deadline);
    if (data && nothing) *data = {};  // the datagram is taken all the same
    int results = push_received(L, s, data);
    if (!data || !with_sender) return results;
    if (from.size() == 0) {
        lua_pushnil(L);
    } else {
        push_sender(L, from);
    }
    return 2;
}

int socket_recv(lua_State* L) { return receive(L, false); }
int socket_recvfrom(lua_State* L) { return receive(L, true); }

int push_sent(lua_State* L, LuaSocket& s, Result<std::size_t> sent) {
    if (!sent) return fail(L, s, sent.error());
    lua_pushinteger(L, static_cast<lua_Integer>(*sent));
    return 1;
}

int socket_syswrite(lua_State* L) {
    LuaSocket& s = check_socket(L);
    std::string_view data = check_text(L, 2);
    Deadline deadline = send_deadline(L, s, 3);
    begin_operation(L, deadline);
    if (data.empty()) return push_sent(L, s, std::size_t{0});
    return push_sent(L, s, s.socket.send(data, 0, nullptr, deadline));
}

int socket_send(lua_State* L) {
    LuaSocket& s = check_socket(L);
    std::string_view data = check_text(L, 2);
    Tail tail = to_tail(L, s, 3);
    Deadline deadline = send_deadline(L, s, tail.timeout);
    if (!tail.flags) return fail(L, s, tail.flags.error());
    begin_operation(L, deadline);
    if (data.empty() && s.socket.type() == SOCK_STREAM) return push_sent(L, s, std::size_t{0});
    return push_sent(L, s, s.socket.send(data, *tail.flags, nullptr, deadline));
}

// The datagram that the running fiber handles, if this goes back to where it came from.
const Arrival* answered_by(lua_State* L, const Socket& socket, const Address& to) {
    const LuaFiber* fiber = running_fiber(L);
    const AskedDatagram* asked = fiber == nullptr ? nullptr : fiber->asked();
    bool is_answer = asked != nullptr && &asked->socket == &socket && asked->arrival.from == to;
    return is_answer ? &asked->arrival : nullptr;
}

// sendto(host, port, data[, flags][, timeout])
int socket_sendto(lua_State* L) {
    LuaSocket& s = check_socket(L);
    std::string_view data;
    if (!lua_isnoneornil(L, 4)) data = check_string(L, 4);
    Tail tail = to_tail(L, s, 5);
    Deadline deadline = send_deadline(L, s, tail.timeout);
    if (!tail.flags) return fail(L, s, tail.flags.error());
    Result<Address> address = to_address(L, s, 2, 3);
    if (!address) return fail(L, s, address.error(), describe_address(L, 2, 3));
    begin_operation(L, deadline);
    const Arrival* arrival = answered_by(L, s.socket, *address);
    Result<std::size_t> sent =
        arrival == nullptr ? s.socket.send(data, *tail.flags, &*address, deadline)
                           : answer_datagram(s.socket, data, *tail.flags, *arrival, deadline);
    return sent ? push_sent(L, s, sent) : fail(L, s, sent.error(), describe_address(L, 2, 3));
}

// sendfd(fd_or_socket[, data[, timeout]])
int socket_sendfd(lua_State* L) {
    LuaSocket& s = check_socket(L);
    LuaSocket* other = test_socket(L, 2);
    if (other != nullptr && !other->socket.is_open()) luaL_error(L, "attempt to use closed socket");
    int fd = other != nullptr ? other->socket.fd() : check_descriptor(L, 2);
    std::string_view data = lua_isnoneornil(L, 3) ? std::string_view("\0", 1) : check_string(L, 3);
    luaL_argcheck(L, !data.empty(), 3, "a descriptor needs at least one byte to go with");
    Deadline deadline = send_deadline(L, s, 4);
    begin_operation(L, deadline);
    Error error = s.socket.send_descriptor(fd, data, deadline);
    if (!error && other != nullptr) other->socket.descriptor().share();
    return finish(L, s, error);
}

// recvfd([timeout]) -> fd, data | nil, message, code. If the data find no memory both stay in the
// socket.
int socket_recvfd(lua_State* L) {
    LuaSocket& s = check_socket(L);
    Deadline deadline = receive_deadline(L, s, 2);
    begin_operation(L, deadline);
    std::string_view data;
    Result<int> fd = s.socket.receive_descriptor(data, deadline);
    if (!fd) return fail(L, s, fd.error());
    if (*fd < 0) {
        lua_pushnil(L);
    } else {
        lua_pushinteger(L, *fd);
    }
    push_view(L, data);
    s.socket.received();
    return 2;
}

}  // namespace

void add_transfer_methods(lua_State* L) {
    static const luaL_Reg methods[] = {
        {"sysread", socket_sysread},   {"syswrite", socket_syswrite}, {"recv", socket_recv},
        {"recvfrom", socket_recvfrom}, {"send", socket_send},         {"sendto", socket_sendto},
        {"sendfd", socket_sendfd},     {"recvfd", socket_recvfd},     {nullptr, nullptr}};
    luaL_setfuncs(L, methods, 0);
}

}  // namespace coir
