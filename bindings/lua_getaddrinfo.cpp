// lua_getaddrinfo.cpp: socket.getaddrinfo().
#include <charconv>

#include "bindings/lua_resolver.hpp"
#include "bindings/lua_wait.hpp"
#include "bindings/socket_names.hpp"

namespace coir {

namespace {

// A port as text: numbers are written out, whole ones without a fraction.
struct PortText {
    char digits[32];
    std::string_view view;
};

void read_port(lua_State* L, int index, PortText& port) {
    if (lua_isnoneornil(L, index)) return;
    int whole = 0;
    lua_Integer number = lua_tointegerx(L, index, &whole);
    if (lua_type(L, index) == LUA_TNUMBER && whole != 0) {
        auto [end, error] = std::to_chars(port.digits, port.digits + sizeof port.digits, number);
        port.view = {port.digits, static_cast<std::size_t>(end - port.digits)};
    } else {
        port.view = check_string(L, index);
    }
}

// A field of the hints that has been read; the value stays on the stack for the message.
struct Hint {
    const char* name;
    Result<int> (*read)(lua_State* L, int index);
    int Resolver::Query::*target;
};

constexpr Hint hint_fields[] = {
    {"family", to_domain, &Resolver::Query::family},
    {"type", to_type, &Resolver::Query::type},
    {"protocol", to_protocol, &Resolver::Query::protocol},
    {"flags", to_look_up_flags, &Resolver::Query::flags},
};

// Fills in what the table of hints says. Returns 0, or the number of pushed results of a failure.
int read_hints(lua_State* L, int index, Resolver::Query& query) {
    if (lua_isnoneornil(L, index)) return 0;
    luaL_checktype(L, index, LUA_TTABLE);
    for (const Hint& hint : hint_fields) {
        lua_getfield(L, index, hint.name);
        if (!lua_isnil(L, -1)) {
            Result<int> value = hint.read(L, lua_gettop(L));
            if (!value) {
                const char* text = lua_tostring(L, -1);
                lua_pushfstring(L, "unknown %s in the hints%s%s", hint.name, text ? ": " : "",
                                text ? text : "");
                return fail_look_up(L, value.error(), to_view(L, -1));
            }
            query.*hint.target = *value;
        }
        lua_pop(L, 1);
    }
    return 0;
}

void set_view(lua_State* L, const char* field, std::string_view text) {
    push_view(L, text);
    lua_setfield(L, -2, field);
}

void push_row(lua_State* L, const Resolver::Row& row) {
    lua_createtable(L, 0, 6);
    Address::Text host = row.address.host();
    set_view(L, "host", host.view());
    lua_pushinteger(L, row.address.port());
    lua_setfield(L, -2, "port");
    push_domain(L, row.family);
    lua_setfield(L, -2, "family");
    push_type(L, row.type);
    lua_setfield(L, -2, "type");
    push_protocol(L, row.protocol);
    lua_setfield(L, -2, "protocol");
    if (!row.canonical_name.empty()) set_view(L, "canonname", row.canonical_name);
}

}  // namespace

// getaddrinfo(host, port[, timeout][, hints]) -> rows | nil, message, code
int socket_getaddrinfo(lua_State* L) {
    bool no_timeout = lua_istable(L, 3);
    Deadline deadline = no_timeout ? never : opt_timeout(L, 3);
    Resolver::Query query;
    if (!lua_isnoneornil(L, 1)) query.host = check_string(L, 1);
    PortText port;
    read_port(L, 2, port);
    query.service = port.view;
    lua_settop(L, 4);
    if (int results = read_hints(L, no_timeout ? 3 : 4, query)) return results;
    Resolver& resolver = resolver_of(L);
    auto& answer = push_owned<Resolver::Answer>(L);
    begin_wait(L);

    // Others run meanwhile, also when the answer is there at once.
    answer.error = scheduler_of(L).yield();
    if (!answer.error) answer = resolver.resolve(query, deadline);

    if (answer.error) return fail_look_up(L, answer.error, answer.message);
    lua_createtable(L, static_cast<int>(answer.rows.size()), 0);
    lua_Integer place = 0;
    for (const Resolver::Row& row : answer.rows) {
        push_row(L, row);
        lua_rawseti(L, -2, ++place);
    }
    return 1;
}

}  // namespace coir
