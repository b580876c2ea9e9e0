// lua_socket_options.cpp: setsockopt, getsockopt and linger. What each option is says the table in
// runtime/socket_options.cpp.
#include "bindings/lua_socket_options.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <climits>
#include <cmath>
#include <cstring>

#include "bindings/socket_names.hpp"

namespace coir {

namespace {

using Type = SocketOption::Type;

// The option that arguments 2 and 3 name. Raises for a name that its level does not have.
struct Named {
    const SocketOption* option = nullptr;
    SocketOption by_number{};
    Error error;
};

Named check_option(lua_State* L) {
    Named named;
    Result<int> level = to_level(L, 2);
    if (!level) {
        named.error = level.error();
        return named;
    }
    if (lua_type(L, 3) == LUA_TNUMBER) {
        lua_Integer wanted = luaL_checkinteger(L, 3);
        int number = wanted == static_cast<int>(wanted) ? static_cast<int>(wanted) : -1;
        named.option = find_socket_option(*level, number);
        named.by_number = {"", *level, number, Type::integer, SocketOption::Access::both};
        return named;
    }
    std::string_view name;
    lua_settop(L, 4);
    if (lua_type(L, 3) == LUA_TSTRING) name = to_view(L, 3);
    if (name.data() == nullptr) {
        luaL_error(L, "Unknown socket option name: %s", luaL_typename(L, 3));
    }
    named.option = find_socket_option(*level, name);
    if (named.option == nullptr) {
        if (name.size() > 64) name = name.substr(0, 64);
        push_view(L, name);
        luaL_error(L, "Unknown socket option name: %s", lua_tostring(L, -1));
    }
    return named;
}

const SocketOption& chosen(const Named& named) {
    return named.option != nullptr ? *named.option : named.by_number;
}

int check_int(lua_State* L, int index) {
    if (lua_isboolean(L, index)) return lua_toboolean(L, index);
    if (lua_type(L, index) != LUA_TNUMBER) luaL_typeerror(L, index, "number or boolean");
    lua_Integer value = luaL_checkinteger(L, index);
    if (value < INT_MIN || value > INT_MAX)
        luaL_argerror(L, index, "value does not fit into 32 bits");
    return static_cast<int>(value);
}

// -- set ------------------------------------------------------------------------------------------

double check_seconds(lua_State* L, int index) {
    double seconds = luaL_checknumber(L, index);
    luaL_argcheck(L, seconds >= 0, index, "timeout must not be negative or NaN");
    return seconds == 0 ? std::numeric_limits<double>::infinity()
                        : seconds;  // 0 means none: socket(7)
}

Error set_value(lua_State* L, LuaSocket& s, const SocketOption& option) {
    switch (option.type) {
        case Type::text: {
            luaL_checktype(L, 4, LUA_TSTRING);
            std::string_view text = to_view(L, 4);
            return set_option(s, option, text.data(), text.size());
        }
        case Type::seconds:
            (option.number == SO_RCVTIMEO ? s.receive_timeout : s.send_timeout) =
                check_seconds(L, 4);
            return {};
        case Type::membership4:
            return set_membership4(L, s, option);
        case Type::membership6:
            return set_membership6(L, s, option);
        case Type::interface4:
            return set_interface4(L, s, option);
        case Type::ignored:
            check_int(L, 4);
            return {};
        default: {
            int value = check_int(L, 4);
            return set_option(s, option, &value, sizeof value);
        }
    }
}

int socket_setsockopt(lua_State* L) {
    LuaSocket& s = check_socket(L);
    Named named = check_option(L);
    if (named.error) return refuse(L, s, named.error);
    const SocketOption& option = chosen(named);
    bool read_only = option.access == SocketOption::Access::read || option.type == Type::linger;
    if (read_only) luaL_error(L, "Socket option %s is read only", option.name.data());
    return finish(L, s, set_value(L, s, option));
}

// -- get ------------------------------------------------------------------------------------------

int push_integer(lua_State* L, LuaSocket& s, const SocketOption& option) {
    int value = 0;
    socklen_t size;
    if (Error error = get_option(s, option, value, size)) return fail(L, s, error);
    lua_pushinteger(L, size == 1 ? static_cast<unsigned char>(value) : value);
    return 1;
}

int push_text(lua_State* L, LuaSocket& s, const SocketOption& option) {
    char text[256] = "";
    socklen_t size;
    if (Error error = get_option(s, option, text, size)) return fail(L, s, error);
    lua_pushlstring(L, text, ::strnlen(text, size));
    return 1;
}

int push_interface4(lua_State* L, LuaSocket& s, const SocketOption& option) {
    in_addr own{};
    socklen_t size;
    if (Error error = get_option(s, option, own, size)) return fail(L, s, error);
    char text[INET_ADDRSTRLEN];
    lua_pushstring(L, ::inet_ntop(AF_INET, &own, text, sizeof text));
    return 1;
}

int push_seconds(lua_State* L, double seconds) {
    lua_pushnumber(L, std::isinf(seconds) ? 0 : seconds);
    return 1;
}

int socket_getsockopt(lua_State* L) {
    LuaSocket& s = check_socket(L);
    Named named = check_option(L);
    if (named.error) return refuse(L, s, named.error);
    const SocketOption& option = chosen(named);
    if (option.access == SocketOption::Access::write)
        return fail(L, s, std::errc::no_protocol_option);
    switch (option.type) {
        case Type::text:
            return push_text(L, s, option);
        case Type::interface4:
            return push_interface4(L, s, option);
        case Type::linger:
            return luaL_error(L, "Use s:linger()");
        case Type::ignored:
            lua_pushinteger(L, 0);
            return 1;
        case Type::seconds:
            return push_seconds(L,
                                option.number == SO_RCVTIMEO ? s.receive_timeout : s.send_timeout);
#ifdef __linux__
        case Type::credentials:
            return push_credentials(L, s, option);
        case Type::tcp_info:
            return push_tcp_info(L, s, option);
#endif
        default:
            return push_integer(L, s, option);
    }
}

// linger() -> active, seconds; linger(active[, seconds]) -> the same, as given
int socket_linger(lua_State* L) {
    LuaSocket& s = check_socket(L);
    if (lua_gettop(L) < 2) {
        Result<Socket::Linger> linger = s.socket.linger();
        if (!linger) return fail(L, s, linger.error());
        lua_pushboolean(L, linger->l_onoff);
        lua_pushinteger(L, linger->l_linger);
        return 2;
    }
    lua_Integer seconds = luaL_optinteger(L, 3, 0);
    luaL_argcheck(L, seconds >= 0 && seconds <= INT_MAX, 3, "time is out of range");
    Socket::Linger linger{lua_toboolean(L, 2), static_cast<int>(seconds)};
    if (Error error = s.socket.set_linger(linger)) return fail(L, s, error);
    lua_pushvalue(L, 2);
    lua_pushinteger(L, seconds);
    return 2;
}

}  // namespace

void add_option_methods(lua_State* L) {
    static const luaL_Reg methods[] = {{"setsockopt", socket_setsockopt},
                                       {"getsockopt", socket_getsockopt},
                                       {"linger", socket_linger},
                                       {nullptr, nullptr}};
    luaL_setfuncs(L, methods, 0);
}

}  // namespace coir
