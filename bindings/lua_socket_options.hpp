// lua_socket_options.hpp: what the files of setsockopt() and getsockopt() share.
#pragma once

#include <sys/socket.h>

#include "bindings/lua_socket.hpp"
#include "runtime/socket_options.hpp"

namespace coir {

// setsockopt(2)
inline Error set_option(LuaSocket& s, const SocketOption& option, const void* value,
                        std::size_t size) {
    int result = ::setsockopt(s.socket.fd(), option.level, option.number, value,
                              static_cast<socklen_t>(size));
    return result == 0 ? Error() : last_errno();
}

// getsockopt(2)
template <class T>
Error get_option(LuaSocket& s, const SocketOption& option, T& value, socklen_t& size) {
    size = sizeof value;
    int result = ::getsockopt(s.socket.fd(), option.level, option.number, &value, &size);
    return result == 0 ? Error() : last_errno();
}

// Setting options of multicast groups, to argument 4. These raise for what is of no use, and
// otherwise return what setsockopt(2) met, EINVAL for text that is no address, or ENODEV.
//
// A group, or {group =, interface =}.
Error set_membership4(lua_State* L, LuaSocket& s, const SocketOption& option);
Error set_membership6(lua_State* L, LuaSocket& s, const SocketOption& option);
// An interface: its name, its number or its own address.
Error set_interface4(lua_State* L, LuaSocket& s, const SocketOption& option);

// Pushes what getsockopt(2) fills a structure with, as a table; or a failure. Linux only.
int push_credentials(lua_State* L, LuaSocket& s, const SocketOption& option);
int push_tcp_info(lua_State* L, LuaSocket& s, const SocketOption& option);

}  // namespace coir
