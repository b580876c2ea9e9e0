#include "bindings/socket_names.hpp"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>
#include <span>
#include <string_view>

#include "runtime/socket_options.hpp"

namespace coir {

namespace {

struct Name {
    std::string_view name;
    int number;
};

// clang-format off
constexpr Name domains[] = {
    {"INET", AF_INET}, {"INET6", AF_INET6}, {"UNIX", AF_UNIX}, {"LOCAL", AF_UNIX}, {"UNSPEC", AF_UNSPEC},
#ifdef __linux__
    {"IPX", AF_IPX}, {"NETLINK", AF_NETLINK}, {"X25", AF_X25}, {"AX25", AF_AX25}, {"ATMPVC", AF_ATMPVC},
    {"APPLETALK", AF_APPLETALK}, {"PACKET", AF_PACKET},
#endif
};

constexpr Name types[] = {
    {"SOCK_STREAM", SOCK_STREAM}, {"SOCK_DGRAM", SOCK_DGRAM}, {"SOCK_SEQPACKET", SOCK_SEQPACKET},
    {"SOCK_RAW", SOCK_RAW}, {"SOCK_RDM", SOCK_RDM},
};

constexpr Name protocols[] = {{"ip", IPPROTO_IP}, {"tcp", IPPROTO_TCP}, {"udp", IPPROTO_UDP}};

constexpr Name levels[] = {
    {"SOL_SOCKET", SOL_SOCKET}, {"socket", SOL_SOCKET},
    {"IPPROTO_TCP", IPPROTO_TCP}, {"SOL_TCP", IPPROTO_TCP}, {"tcp", IPPROTO_TCP},
    {"IPPROTO_IP", IPPROTO_IP}, {"SOL_IP", IPPROTO_IP}, {"ip", IPPROTO_IP},
    {"IPPROTO_IPV6", IPPROTO_IPV6}, {"SOL_IPV6", IPPROTO_IPV6}, {"ipv6", IPPROTO_IPV6},
    {"IPPROTO_UDP", IPPROTO_UDP}, {"SOL_UDP", IPPROTO_UDP}, {"udp", IPPROTO_UDP},
};

constexpr Name message_flags[] = {
    {"MSG_OOB", MSG_OOB}, {"MSG_PEEK", MSG_PEEK}, {"MSG_DONTROUTE", MSG_DONTROUTE},
    {"MSG_CTRUNC", MSG_CTRUNC}, {"MSG_TRUNC", MSG_TRUNC}, {"MSG_DONTWAIT", MSG_DONTWAIT},
    {"MSG_EOR", MSG_EOR}, {"MSG_WAITALL", MSG_WAITALL},
#ifdef MSG_NOSIGNAL
    {"MSG_NOSIGNAL", MSG_NOSIGNAL},
#endif
#ifdef __linux__
    {"MSG_TRYHARD", MSG_DONTROUTE}, {"MSG_PROXY", MSG_PROXY}, {"MSG_FIN", MSG_FIN}, {"MSG_SYN", MSG_SYN},
    {"MSG_CONFIRM", MSG_CONFIRM}, {"MSG_RST", MSG_RST}, {"MSG_ERRQUEUE", MSG_ERRQUEUE},
    {"MSG_MORE", MSG_MORE}, {"MSG_WAITFORONE", MSG_WAITFORONE}, {"MSG_FASTOPEN", MSG_FASTOPEN},
    {"MSG_CMSG_CLOEXEC", MSG_CMSG_CLOEXEC},
#endif
};

constexpr Name look_up_flags[] = {
    {"AI_PASSIVE", AI_PASSIVE}, {"AI_CANONNAME", AI_CANONNAME}, {"AI_NUMERICHOST", AI_NUMERICHOST},
    {"AI_V4MAPPED", AI_V4MAPPED}, {"AI_ALL", AI_ALL}, {"AI_ADDRCONFIG", AI_ADDRCONFIG},
    {"AI_NUMERICSERV", AI_NUMERICSERV},
#ifdef __GLIBC__
    {"AI_IDN", 0x40}, {"AI_CANONIDN", 0x80},
#endif
};
// clang-format on

const Name* find(std::span<const Name> names, std::string_view name) {
    for (const Name& entry : names) {
        if (entry.name == name) return &entry;
    }
    return nullptr;
}

const Name* find(std::span<const Name> names, int number) {
    for (const Name& entry : names) {
        if (entry.number == number) return &entry;
    }
    return nullptr;
}

std::string_view text_at(lua_State* L, int index) {
    std::size_t size = 0;
    const char* text = lua_type(L, index) == LUA_TSTRING ? lua_tolstring(L, index, &size) : nullptr;
    return {text, size};
}

// A number that an int can hold.
Result<int> number_at(lua_State* L, int index) {
    int is_integer = 0;
    lua_Integer number = lua_tointegerx(L, index, &is_integer);
    if (!is_integer || number != static_cast<int>(number)) return std::errc::invalid_argument;
    return static_cast<int>(number);
}

Result<int> look_up(lua_State* L, int index, std::span<const Name> names, std::errc unknown) {
    if (lua_type(L, index) == LUA_TNUMBER) return number_at(L, index);
    if (lua_type(L, index) != LUA_TSTRING) return std::errc::invalid_argument;
    const Name* name = find(names, text_at(L, index));
    if (name == nullptr) return unknown;
    return name->number;
}

void push_name(lua_State* L, std::span<const Name> names, int number, const char* prefix) {
    const Name* name = find(names, number);
    if (name == nullptr) {
        lua_pushinteger(L, number);
        return;
    }
    lua_pushstring(L, prefix);
    lua_pushlstring(L, name->name.data(), name->name.size());
    lua_concat(L, 2);
}

void set_names(lua_State* L, std::span<const Name> names, const char* prefix) {
    for (const Name& entry : names) {
        lua_pushfstring(L, "%s%s", prefix, entry.name.data());
        lua_pushinteger(L, entry.number);
        lua_rawset(L, -3);
    }
}

// SO_OPT[level number] = {name = number}
void set_options(lua_State* L, const Name& level) {
    lua_newtable(L);
    for (const SocketOption& option : socket_options()) {
        if (option.level != level.number) continue;
        lua_pushlstring(L, option.name.data(), option.name.size());
        lua_pushinteger(L, option.number);
        lua_rawset(L, -3);
    }
    lua_rawseti(L, -2, level.number);
}

}  // namespace

Result<int> to_domain(lua_State* L, int index) {
    if (lua_type(L, index) == LUA_TNUMBER) return number_at(L, index);
    std::string_view text = text_at(L, index);
    if (!text.starts_with("AF_") && !text.starts_with("PF_")) return std::errc::invalid_argument;
    const Name* name = find(domains, text.substr(3));
    if (name == nullptr) return std::errc::invalid_argument;
    return name->number;
}

Result<int> to_type(lua_State* L, int index) {
    return look_up(L, index, types, std::errc::invalid_argument);
}

Result<int> to_protocol(lua_State* L, int index) {
    Result<int> known = look_up(L, index, protocols, std::errc::wrong_protocol_type);
    if (known || known.error() != std::errc::wrong_protocol_type) return known;
    std::string_view name = text_at(L, index);
    bool whole = name.find('\0') == std::string_view::npos;
    const protoent* entry = whole ? ::getprotobyname(name.data()) : nullptr;
    if (entry == nullptr) return known;
    return entry->p_proto;
}

Result<int> to_level(lua_State* L, int index) {
    return look_up(L, index, levels, std::errc::wrong_protocol_type);
}

static Result<int> join_flags(lua_State* L, int index, std::span<const Name> names) {
    if (lua_isnoneornil(L, index)) return 0;
    if (lua_type(L, index) != LUA_TTABLE) {
        const Name* flag = find(names, text_at(L, index));
        if (flag == nullptr) return std::errc::invalid_argument;
        return flag->number;
    }
    int flags = 0;
    for (lua_Integer i = 1; lua_rawgeti(L, index, i) != LUA_TNIL; ++i) {
        const Name* flag = find(names, text_at(L, -1));
        lua_pop(L, 1);
        if (flag == nullptr) return std::errc::invalid_argument;
        flags |= flag->number;
    }
    lua_pop(L, 1);
    return flags;
}

Result<int> to_flags(lua_State* L, int index) { return join_flags(L, index, message_flags); }
Result<int> to_look_up_flags(lua_State* L, int index) {
    return join_flags(L, index, look_up_flags);
}

void push_domain(lua_State* L, int domain) { push_name(L, domains, domain, "AF_"); }
void push_type(lua_State* L, int type) { push_name(L, types, type, ""); }

void push_protocol(lua_State* L, int protocol) {
    if (protocol == 0 || find(protocols, protocol) != nullptr) {
        if (protocol == 0) {
            lua_pushinteger(L, 0);
        } else {
            push_name(L, protocols, protocol, "");
        }
        return;
    }
    const protoent* entry = ::getprotobynumber(protocol);
    if (entry == nullptr) {
        lua_pushinteger(L, protocol);
    } else {
        lua_pushstring(L, entry->p_name);
    }
}

void push_name_tables(lua_State* L) {
    lua_newtable(L);
    lua_newtable(L);
    set_names(L, domains, "AF_");
    set_names(L, domains, "PF_");
    lua_setfield(L, -2, "DOMAIN");
    lua_newtable(L);
    set_names(L, types, "");
    lua_setfield(L, -2, "SO_TYPE");
    lua_newtable(L);
    set_names(L, message_flags, "");
    lua_setfield(L, -2, "SEND_FLAGS");
    lua_newtable(L);
    set_names(L, look_up_flags, "");
    lua_setfield(L, -2, "AI_FLAGS");
    lua_newtable(L);
    set_names(L, protocols, "");
    lua_setfield(L, -2, "protocols");
    lua_newtable(L);
    for (const Name& level : levels) set_options(L, level);
    lua_setfield(L, -2, "SO_OPT");
}

}  // namespace coir
