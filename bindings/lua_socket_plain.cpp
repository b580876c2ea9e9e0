// lua_socket_plain.cpp: the socket methods about addresses, connections and the life of a socket.
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "bindings/lua_socket.hpp"
#include "bindings/socket_names.hpp"
#include "runtime/listener.hpp"

namespace coir {

namespace {

constexpr int default_backlog = 256;

// -- Addresses ------------------------------------------------------------------------------------

std::string_view text_of(lua_State* L, int index) {
    return lua_isstring(L, index) ? to_view(L, index) : std::string_view();
}

Result<std::uint16_t> to_port(lua_State* L, int index) {
    if (lua_isnoneornil(L, index)) return std::uint16_t{0};
    if (lua_type(L, index) == LUA_TNUMBER) {
        int whole = 0;
        lua_Integer port = lua_tointegerx(L, index, &whole);
        if (!whole || port < 0 || port > 65535) return std::errc::invalid_argument;
        return static_cast<std::uint16_t>(port);
    }
    return parse_port(text_of(L, index));
}

int address_tostring(lua_State* L) {
    lua_getfield(L, 1, "host");
    lua_pushliteral(L, ":");
    lua_getfield(L, 1, "port");
    lua_concat(L, 3);
    return 1;
}

int socket_name(lua_State* L) {
    LuaSocket& s = check_socket(L);
    Result<Address> address = s.socket.name();
    if (!address) return fail(L, s, address.error());
    push_full_address(L, s.socket, *address);
    return 1;
}

int socket_peer(lua_State* L) {
    LuaSocket& s = check_socket(L);
    Result<Address> address = s.socket.peer();
    if (!address) return fail(L, s, address.error());
    push_full_address(L, s.socket, *address);
    return 1;
}

// "fd 7, aka 127.0.0.1:5000, peer 127.0.0.1:80"
int socket_tostring(lua_State* L) {
    LuaSocket& s = check_any_socket(L);
    lua_pushfstring(L, "fd %d", s.socket.fd());
    if (Result<Address> name = s.socket.name()) {
        Address::Text text = name->text();
        lua_pushliteral(L, ", aka ");
        push_view(L, text.view());
        lua_concat(L, 3);
    }
    if (Result<Address> peer = s.socket.peer()) {
        Address::Text text = peer->text();
        lua_pushliteral(L, ", peer ");
        push_view(L, text.view());
        lua_concat(L, 3);
    }
    return 1;
}

// -- Connecting and listening ---------------------------------------------------------------------

int socket_sysconnect(lua_State* L) {
    LuaSocket& s = check_socket(L);
    Deadline deadline = send_deadline(L, s, 4);
    Result<Address> address = to_address(L, s, 2, 3);
    AddressArguments about = describe_address(L, 2, 3);  // makes text of numbers
    if (!address) return refuse(L, s, address.error(), about);
    begin_operation(L, deadline);
    Error error = s.socket.connect(*address, deadline);
    if (error) return refuse(L, s, error, about);
    lua_pushboolean(L, true);
    return 1;
}

int socket_bind(lua_State* L) {
    LuaSocket& s = check_socket(L);
    Result<Address> address = to_address(L, s, 2, 3);
    AddressArguments about = describe_address(L, 2, 3);  // makes text of numbers
    Error error = address ? s.socket.bind(*address) : address.error();
    if (error) return refuse(L, s, error, about);
    lua_pushboolean(L, true);
    return 1;
}

int socket_listen(lua_State* L) {
    LuaSocket& s = check_socket(L);
    lua_Integer backlog = luaL_optinteger(L, 2, default_backlog);
    int queue = static_cast<int>(std::clamp<lua_Integer>(backlog, 0, INT32_MAX));
    return finish(L, s, s.socket.listen(queue));
}

// accept([timeout]) -> socket, {host =, port =, family =} | nil, message, code
int socket_accept(lua_State* L) {
    LuaSocket& s = check_socket(L);
    Deadline deadline = receive_deadline(L, s, 2);
    LuaSocket& accepted = push_new_socket(L);
    begin_operation(L, deadline);
    Address from;
    Result<int> fd = s.socket.accept(from, deadline);
    if (!fd) return fail(L, s, fd.error());
    accepted.socket.accepted(*fd, s.socket);
    accepted.waiting = s.waiting;
    push_sender(L, from);
    return 2;
}

// -- Life -----------------------------------------------------------------------------------------

int socket_close(lua_State* L) {
    LuaSocket& s = check_socket(L);
    Error error = close_socket(L, s, write_deadline(L, s, 2));
    if (error) return push_refusal(L, error);
    lua_pushboolean(L, true);
    return 1;
}

int socket_detach(lua_State* L) {
    LuaSocket& s = check_socket(L);
    lua_pushinteger(L, s.socket.detach());
    if (s.listener != nullptr) {
        s.listener->keep_file();
        s.listener->close();
    }
    return 1;
}

// 0, 1 or 2 as shutdown(2) wants it; -1 for a word or number that means nothing.
int to_half(lua_State* L, int index) {
    if (lua_isnoneornil(L, index)) return SHUT_RDWR;
    struct Half {
        std::string_view name;
        int how;
    };
    static constexpr Half halves[] = {
        {"R", SHUT_RD},    {"READ", SHUT_RD},         {"receive", SHUT_RD}, {"0", SHUT_RD},
        {"W", SHUT_WR},    {"WRITE", SHUT_WR},        {"send", SHUT_WR},    {"1", SHUT_WR},
        {"RW", SHUT_RDWR}, {"READ_WRITE", SHUT_RDWR}, {"both", SHUT_RDWR},  {"2", SHUT_RDWR}};
    for (const Half& half : halves) {
        if (text_of(L, index) == half.name) return half.how;
    }
    return -1;
}

int socket_shutdown(lua_State* L) {
    LuaSocket& s = check_socket(L);
    int how = to_half(L, 2);
    if (how < 0) return refuse(L, s, std::errc::invalid_argument);
    if (how != SHUT_RD && s.socket.has_gathered()) {
        begin_wait(L);
        Error error = s.socket.flush(write_deadline(L, s, 3));
        if (error) return refuse(L, s, error);
    }
    return finish(L, s, s.socket.shutdown(how));
}

int socket_nonblock(lua_State* L) {
    LuaSocket& s = check_socket(L);
    if (!lua_isnoneornil(L, 2)) s.waiting = lua_toboolean(L, 2) == 0;
    lua_pushboolean(L, !s.waiting);
    return 1;
}

int socket_fd(lua_State* L) {
    lua_pushinteger(L, check_any_socket(L).socket.fd());
    return 1;
}

int socket_errno(lua_State* L) {
    lua_pushinteger(L, check_any_socket(L).error);
    return 1;
}

int socket_error(lua_State* L) {
    LuaSocket& s = check_any_socket(L);
    if (s.error == 0) {
        lua_pushnil(L);
    } else {
        push_error_text(L, Error(s.error));
    }
    return 1;
}

}  // namespace

void push_full_address(lua_State* L, const Socket& socket, const Address& address) {
    push_sender(L, address);
    push_type(L, socket.type());
    lua_setfield(L, -2, "type");
    push_protocol(L, socket.protocol());
    lua_setfield(L, -2, "protocol");
    luaL_setmetatable(L, "socket.address");
}

AddressArguments describe_address(lua_State* L, int host, int port) {
    AddressArguments about;
    auto add = [&about](std::string_view text) {
        std::size_t n = std::min(text.size(), sizeof about.text - about.size);
        std::memcpy(about.text + about.size, text.data(), n);
        about.size += n;
    };
    add(lua_isstring(L, host) ? text_of(L, host) : luaL_typename(L, host));
    if (lua_isnoneornil(L, port)) return about;
    add(":");
    std::string_view place = lua_isstring(L, port) ? text_of(L, port) : luaL_typename(L, port);
    add(place);
    about.too_long = text_of(L, host) == "unix/" && place.size() > Address::max_unix_path;
    return about;
}

Result<Address> to_address(lua_State* L, const LuaSocket& s, int host, int port) {
    if (s.socket.family() == AF_UNIX) {
        if (text_of(L, host) != "unix/") return std::errc::invalid_argument;
        return Address::unix_path(text_of(L, port));
    }
    if (text_of(L, host) == "unix/") return std::errc::address_family_not_supported;
    Result<std::uint16_t> number = to_port(L, port);
    if (!number) return number.error();
    return Address::inet(s.socket.family(), text_of(L, host), *number);
}

void add_plain_methods(lua_State* L) {
    static const luaL_Reg methods[] = {{"sysconnect", socket_sysconnect},
                                       {"bind", socket_bind},
                                       {"sysbind", socket_bind},
                                       {"listen", socket_listen},
                                       {"accept", socket_accept},
                                       {"close", socket_close},
                                       {"detach", socket_detach},
                                       {"shutdown", socket_shutdown},
                                       {"nonblock", socket_nonblock},
                                       {"fd", socket_fd},
                                       {"errno", socket_errno},
                                       {"error", socket_error},
                                       {"name", socket_name},
                                       {"peer", socket_peer},
                                       {"__tostring", socket_tostring},
                                       {nullptr, nullptr}};
    luaL_setfuncs(L, methods, 0);
    luaL_newmetatable(L, "socket.address");
    lua_pushcfunction(L, address_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pop(L, 1);
}

}  // namespace coir
