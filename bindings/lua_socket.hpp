// lua_socket.hpp: a socket as Lua sees it, and what the files of its methods share.
#pragma once

#include <limits>

#include "bindings/lua_wait.hpp"
#include "bindings/object.hpp"
#include "runtime/datagram.hpp"
#include "runtime/socket.hpp"

namespace coir {

class Listener;

inline constexpr double longest_timeout = 1e18;  // of SO_RCVTIMEO and SO_SNDTIMEO; above: none

struct LuaSocket {
    explicit LuaSocket(Scheduler& scheduler) : socket(scheduler) {}

    const void* mark = mark_of<LuaSocket>();
    double receive_timeout = std::numeric_limits<double>::infinity();  // SO_RCVTIMEO, in seconds
    double send_timeout = std::numeric_limits<double>::infinity();     // SO_SNDTIMEO
    int error = 0;                                                     // s:errno()
    bool waiting = true;                                               // not s:nonblock()
    bool raises_when_closed = true;  // a wait that close() ends; otherwise it fails with EBADF
    Socket socket;
    Listener* listener = nullptr;  // whose socket it is; the first user value keeps it alive

    // Closes the socket, and with it all of its listener.
    Error close();
};

// Pushes a new socket object that is closed; open it afterwards.
LuaSocket& push_new_socket(lua_State* L, int user_values = 0);

// The same with another metatable: that without a finalizer, which for a brief connection costs
// more than its object. Whoever serves it abandons the socket in the end, or adds the finalizer,
// which cannot fail.
LuaSocket& push_served_socket(lua_State* L, int metatable);
void push_served_metatable(lua_State* L);
void add_finalizer(lua_State* L, int index);

// The socket at `index`, or nullptr when there is something else or a closed one.
inline LuaSocket* test_socket(lua_State* L, int index) { return test_object<LuaSocket>(L, index); }

[[noreturn]] void raise_unusable(lua_State* L);

// The open socket at index 1. Raises `Usage: socket:method()` and `attempt to use closed socket`.
inline LuaSocket& check_any_socket(lua_State* L) {
    LuaSocket* s = test_socket(L, 1);
    if (s == nullptr || !s->socket.is_open()) raise_unusable(L);
    return *s;
}
// The same for a method that begins by forgetting the last error.
inline LuaSocket& check_socket(lua_State* L) {
    LuaSocket& s = check_any_socket(L);
    s.error = 0;
    return s;
}

// The argument at `index` as a timeout, else `own` seconds.
Deadline to_deadline(lua_State* L, int index, double own);

// The deadline of an operation that waits in both modes: the argument at `index`, else the socket's
// own timeout, else never.
inline Deadline read_deadline(lua_State* L, const LuaSocket& s, int index) {
    bool usual = lua_gettop(L) < index && s.receive_timeout > longest_timeout;
    return usual ? never : to_deadline(L, index, s.receive_timeout);
}
inline Deadline write_deadline(lua_State* L, const LuaSocket& s, int index) {
    bool usual = lua_gettop(L) < index && s.send_timeout > longest_timeout;
    return usual ? never : to_deadline(L, index, s.send_timeout);
}
// The same for an operation of the socket's mode: in immediate mode none may wait.
inline Deadline receive_deadline(lua_State* L, const LuaSocket& s, int index) {
    return s.waiting ? read_deadline(L, s, index) : immediate;
}
inline Deadline send_deadline(lua_State* L, const LuaSocket& s, int index) {
    return s.waiting ? write_deadline(L, s, index) : immediate;
}

// begin_wait(), unless the operation is immediate.
inline void begin_operation(lua_State* L, Deadline deadline) {
    if (deadline != immediate) begin_wait(L);
}

// What a message says about the arguments `host` and `port`: "host:port".
struct AddressArguments {
    char text[256];
    std::size_t size = 0;
    bool too_long = false;  // a path that no Unix socket can have
    std::string_view view() const { return {text, size}; }
};
AddressArguments describe_address(lua_State* L, int host, int port);

// Ends a method that failed: raises for cancellation, interruption and a socket that was closed
// meanwhile; otherwise remembers the error and pushes nil (or false), a message and the code.
int fail(lua_State* L, LuaSocket& s, Error error);
int refuse(lua_State* L, LuaSocket& s, Error error);
// The same for a failure that is about an address.
int fail(lua_State* L, LuaSocket& s, Error error, const AddressArguments& about);
int refuse(lua_State* L, LuaSocket& s, Error error, const AddressArguments& about);

// Sends what is gathered, and waits for it if the socket lingers, unless this fiber must not wait.
// Raises nothing.
Error finish_output(lua_State* L, LuaSocket& s, Deadline deadline);

// finish_output(), and closes in any case. Raises for cancellation and interruption, afterwards.
Error close_socket(lua_State* L, LuaSocket& s, Deadline deadline);

// Fails with false or succeeds with true.
inline int finish(lua_State* L, LuaSocket& s, Error error) {
    if (error) return refuse(L, s, error);
    lua_pushboolean(L, true);
    return 1;
}

// The numeric address that the arguments `host` and `port` spell for a socket of this family.
Result<Address> to_address(lua_State* L, const LuaSocket& s, int host, int port);

// The descriptor number at `index`; -1 for an integer that cannot be one.
inline int check_descriptor(lua_State* L, int index) {
    lua_Integer fd = luaL_checkinteger(L, index);
    return fd == static_cast<int>(fd) ? static_cast<int>(fd) : -1;
}

// Room for `n` string views that lives as long as it stays on the stack.
inline std::string_view* push_views(lua_State* L, std::size_t n) {
    return static_cast<std::string_view*>(lua_newuserdatauv(L, n * sizeof(std::string_view), 0));
}

// Pushes {host =, port =, family =} for an address.
void push_sender(lua_State* L, const Address& address);
// The same with {type =, protocol =}, as s:name() returns it.
void push_full_address(lua_State* L, const Socket& socket, const Address& address);

// A datagram that a handler of udp_server() was started with, and the socket it came to.
struct AskedDatagram {
    const Socket& socket;
    Arrival arrival;
};

// Each adds its methods to the table on top of the stack.
void add_plain_methods(lua_State* L);
void add_transfer_methods(lua_State* L);
void add_read_methods(lua_State* L);
void add_write_methods(lua_State* L);
void add_option_methods(lua_State* L);
void add_server_methods(lua_State* L);

// Makes the metatables of sockets and of what they have buffered.
void make_socket_class(lua_State* L);

}  // namespace coir
