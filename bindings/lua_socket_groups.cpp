// lua_socket_groups.cpp: the socket options of multicast groups.
#include <net/if.h>
#include <netinet/in.h>

#include <climits>

#include "bindings/lua_socket_options.hpp"

namespace coir {

namespace {

// The index of the interface that `index` says by number or name; 0 for nil. ENODEV when there is
// none.
Result<unsigned> to_interface(lua_State* L, int index) {
    if (lua_isnoneornil(L, index)) return 0U;
    if (lua_type(L, index) == LUA_TNUMBER) {
        int whole = 0;
        lua_Integer number = lua_tointegerx(L, index, &whole);
        if (!whole || number < 0 || number > INT_MAX) return std::errc::no_such_device;
        return static_cast<unsigned>(number);
    }
    if (lua_type(L, index) != LUA_TSTRING)
        luaL_argerror(L, 4, "an interface is a name or a number");
    unsigned number = ::if_nametoindex(lua_tostring(L, index));
    if (number == 0) return std::errc::no_such_device;
    return number;
}

// A group, or {group =, interface =}: pushes both.
void push_group(lua_State* L, int index) {
    if (lua_istable(L, index)) {
        lua_getfield(L, index, "group");
        lua_getfield(L, index, "interface");
    } else {
        lua_pushvalue(L, index);
        lua_pushnil(L);
    }
    if (lua_type(L, -2) != LUA_TSTRING) {
        luaL_argerror(L, 4, "string expected, or {group = string, interface = string or number}");
    }
}

}  // namespace

Error set_membership4(lua_State* L, LuaSocket& s, const SocketOption& option) {
    push_group(L, 4);
    Result<Address> group = Address::inet(AF_INET, to_view(L, -2), 0);
    if (!group) return group.error();
    ip_mreqn request{};
    request.imr_multiaddr = reinterpret_cast<const sockaddr_in*>(group->data())->sin_addr;
    bool by_address = lua_type(L, -1) == LUA_TSTRING;
    Result<Address> own = by_address ? Address::inet(AF_INET, to_view(L, -1), 0)
                                     : Result<Address>(std::errc::invalid_argument);
    if (own) {
        request.imr_address = reinterpret_cast<const sockaddr_in*>(own->data())->sin_addr;
    } else {
        Result<unsigned> interface = to_interface(L, -1);
        if (!interface) return interface.error();
        request.imr_ifindex = static_cast<int>(*interface);
    }
    return set_option(s, option, &request, sizeof request);
}

Error set_membership6(lua_State* L, LuaSocket& s, const SocketOption& option) {
    push_group(L, 4);
    Result<Address> group = Address::inet(AF_INET6, to_view(L, -2), 0);
    if (!group) return group.error();
    Result<unsigned> interface = to_interface(L, -1);
    if (!interface) return interface.error();
    ipv6_mreq request{};
    request.ipv6mr_multiaddr = reinterpret_cast<const sockaddr_in6*>(group->data())->sin6_addr;
    request.ipv6mr_interface = *interface;
    return set_option(s, option, &request, sizeof request);
}

Error set_interface4(lua_State* L, LuaSocket& s, const SocketOption& option) {
    bool text = lua_type(L, 4) == LUA_TSTRING;
    Result<Address> own = Address::inet(AF_INET, text ? to_view(L, 4) : "", 0);
    ip_mreqn request{};
    if (own) {
        request.imr_address = reinterpret_cast<const sockaddr_in*>(own->data())->sin_addr;
    } else {
        Result<unsigned> interface = to_interface(L, 4);
        if (!interface) return interface.error();
        request.imr_ifindex = static_cast<int>(*interface);
    }
    return set_option(s, option, &request, sizeof request);
}

}  // namespace coir
