// lua_dns.cpp: the Lua module coir.dns: records of the DNS, and how its servers are asked.
#include "bindings/lua_resolver.hpp"
#include "bindings/lua_wait.hpp"
#include "runtime/resolv_conf.hpp"

namespace coir {

namespace {

void push_record(lua_State* L, const DnsRecord& record) {
    lua_createtable(L, 0, static_cast<int>(record.fields.size()) + 3);
    push_view(L, record.name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, dns_type_name(record.type));
    lua_setfield(L, -2, "type");
    lua_pushinteger(L, record.ttl);
    lua_setfield(L, -2, "ttl");
    for (const DnsField& field : record.fields) {
        if (field.is_number) {
            lua_pushinteger(L, field.number);
        } else {
            push_view(L, field.text);
        }
        lua_setfield(L, -2, field.name);
    }
}

// query(name, type[, timeout]) -> records | nil, message, code
int dns_query(lua_State* L) {
    std::string_view name = check_text(L, 1);
    DnsType type{};
    if (!dns_type_named(check_text(L, 2), type)) {
        luaL_argerror(L, 2, lua_pushfstring(L, "unknown record type '%s'", lua_tostring(L, 2)));
    }
    Deadline deadline = opt_timeout(L, 3);
    Resolver& resolver = resolver_of(L);
    auto& answer = push_owned<Resolver::Records>(L);
    begin_wait(L);

    answer = resolver.query(name, type, deadline);

    if (answer.error) return fail_look_up(L, answer.error, answer.message);
    lua_createtable(L, static_cast<int>(answer.records.size()), 0);
    lua_Integer place = 0;
    for (const DnsRecord& record : answer.records) {
        push_record(L, record);
        lua_rawseti(L, -2, ++place);
    }
    return 1;
}

// -- Servers --------------------------------------------------------------------------------------

int push_servers(lua_State* L) {
    std::span<const Address> servers = resolver_of(L).servers();
    lua_createtable(L, static_cast<int>(servers.size()), 0);
    for (std::size_t i = 0; i < servers.size(); ++i) {
        Address::Text text = servers[i].text();
        push_view(L, text.view());
        lua_rawseti(L, -2, static_cast<lua_Integer>(i + 1));
    }
    return 1;
}

// servers() -> list; servers(list) -> true | nil, message, code
int dns_servers(lua_State* L) {
    if (lua_isnoneornil(L, 1)) return push_servers(L);
    luaL_checktype(L, 1, LUA_TTABLE);
    std::size_t count = lua_rawlen(L, 1);
    auto* servers = static_cast<Address*>(lua_newuserdatauv(L, (count + 1) * sizeof(Address), 0));
    for (std::size_t i = 0; i < count; ++i) {
        lua_rawgeti(L, 1, static_cast<lua_Integer>(i + 1));
        Result<Address> server = std::errc::invalid_argument;
        if (lua_type(L, -1) == LUA_TSTRING) server = parse_server(to_view(L, -1));
        if (!server) {
            luaL_tolstring(L, -1, nullptr);
            lua_pushfstring(L, "not the address of a server: %s", lua_tostring(L, -1));
            return push_failure_text(L, server.error(), to_view(L, -1));
        }
        new (servers + i) Address(*server);
        lua_pop(L, 1);
    }
    if (Error error = resolver_of(L).set_servers({servers, count})) return push_failure(L, error);
    lua_pushboolean(L, true);
    return 1;
}

int dns_flush(lua_State* L) {
    resolver_of(L).flush();
    return 0;
}

// -- Files ----------------------------------------------------------------------------------------

struct FileField {
    const char* name;
    std::string Resolver::Files::*path;
};

constexpr FileField file_fields[] = {
    {"hosts", &Resolver::Files::hosts},
    {"resolv_conf", &Resolver::Files::resolv_conf},
    {"services", &Resolver::Files::services},
};

// Paths that are null stay what they were.
Error change_files(Resolver& resolver, const char* const* paths) try {
    Resolver::Files files = resolver.files();
    for (const FileField& field : file_fields) {
        if (*paths != nullptr) files.*field.path = *paths;
        ++paths;
    }
    return resolver.set_files(files);
} catch (const std::bad_alloc&) {
    return std::errc::not_enough_memory;
}

// files([paths]) -> the paths that hold now
int dns_files(lua_State* L) {
    Resolver& resolver = resolver_of(L);
    if (!lua_isnoneornil(L, 1)) {
        luaL_checktype(L, 1, LUA_TTABLE);
        const char* paths[std::size(file_fields)] = {};
        for (std::size_t i = 0; i < std::size(file_fields); ++i) {
            if (lua_getfield(L, 1, file_fields[i].name) == LUA_TNIL) continue;
            if (lua_type(L, -1) != LUA_TSTRING) {
                luaL_error(L, "the path of '%s' must be a string", file_fields[i].name);
            }
            paths[i] = lua_tostring(L, -1);
        }
        if (Error error = change_files(resolver, paths)) return push_failure(L, error);
    }
    lua_createtable(L, 0, std::size(file_fields));
    for (const FileField& field : file_fields) {
        push_view(L, resolver.files().*field.path);
        lua_setfield(L, -2, field.name);
    }
    return 1;
}

}  // namespace

int open_dns(lua_State* L) {
    static const luaL_Reg functions[] = {{"query", dns_query},
                                         {"servers", dns_servers},
                                         {"flush", dns_flush},
                                         {"files", dns_files},
                                         {nullptr, nullptr}};
    luaL_newlib(L, functions);
    return 1;
}

}  // namespace coir
