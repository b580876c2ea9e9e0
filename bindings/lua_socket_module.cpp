// lua_socket_module.cpp: the functions of the module that are in no other file, and their
// arguments.
#include "bindings/lua_socket_module.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "bindings/socket_names.hpp"

namespace coir {

namespace {

// The three arguments of socket() and socketpair(), from `index` on.
struct SocketArguments {
    int domain = 0;
    int type = 0;
    int protocol = 0;
    Error error;
};

SocketArguments to_socket_arguments(lua_State* L, int index) {
    SocketArguments arguments;
    Result<int> domain = to_domain(L, index);
    Result<int> type = to_type(L, index + 1);
    Result<int> protocol =
        lua_isnoneornil(L, index + 2) ? Result<int>(0) : to_protocol(L, index + 2);
    for (const Result<int>* result : {&domain, &type, &protocol}) {
        if (!*result && !arguments.error) arguments.error = result->error();
    }
    arguments.domain = *domain;
    arguments.type = *type;
    arguments.protocol = *protocol;
    return arguments;
}

// socket(domain, type[, protocol]): __call, so the module is argument 1.
int module_call(lua_State* L) {
    SocketArguments arguments = to_socket_arguments(L, 2);
    if (arguments.error) return module_failure(L, arguments.error);
    LuaSocket& s = push_new_socket(L);
    Error error = s.socket.open(arguments.domain, arguments.type, arguments.protocol);
    return error ? module_failure(L, error) : 1;
}

int module_socketpair(lua_State* L) {
    SocketArguments arguments = to_socket_arguments(L, 1);
    if (arguments.error) return module_failure(L, arguments.error);
    LuaSocket& left = push_new_socket(L);
    LuaSocket& right = push_new_socket(L);
    Error error = Socket::open_pair(left.socket, right.socket, arguments.domain, arguments.type,
                                    arguments.protocol);
    return error ? module_failure(L, error) : 2;
}

int module_from_fd(lua_State* L) {
    if (lua_type(L, 1) != LUA_TNUMBER) luaL_error(L, "fd must be a number");
    int fd = check_descriptor(L, 1);
    LuaSocket& s = push_new_socket(L);
    Error error = s.socket.adopt(fd, true);
    return error ? module_failure(L, error) : 1;
}

// -- iowait ---------------------------------------------------------------------------------------

unsigned check_events(lua_State* L, int index) {
    if (lua_type(L, index) == LUA_TNUMBER) {
        lua_Integer events = luaL_checkinteger(L, index);
        if (events >= 1 && events <= 3) return static_cast<unsigned>(events);
    } else if (lua_type(L, index) == LUA_TSTRING) {
        unsigned events = 0;
        std::string_view text = to_view(L, index);
        bool known = !text.empty();
        for (char c : text) {
            known = known && std::strchr("rRwW", c) != nullptr && c != '\0';
            events |= c == 'r' || c == 'R' ? Descriptor::readable : Descriptor::writable;
        }
        if (known) return events;
    }
    luaL_error(L, "Usage: socket.iowait(fd, 1|2|3|'r'|'w'|'rw'[, timeout])");
    return 0;
}

const char* events_text(unsigned events) {
    static const char* const texts[] = {"", "R", "W", "RW"};
    return texts[events];
}

// iowait(fd, events[, timeout]); without a descriptor it sleeps.
int module_iowait(lua_State* L) {
    Scheduler& scheduler = scheduler_of(L);
    Deadline deadline = opt_timeout(L, 3);
    bool no_descriptor = lua_isnoneornil(L, 1) || lua_tointeger(L, 1) < 0;
    if (no_descriptor && lua_isnoneornil(L, 2)) {
        begin_wait(L);
        check_raise(L, scheduler.sleep_until(deadline));
        return 0;
    }
    int fd = check_descriptor(L, 1);
    unsigned wanted = check_events(L, 2);
    bool as_text = lua_type(L, 2) == LUA_TSTRING;
    begin_wait(L);
    Result<unsigned> ready = wait_foreign(scheduler, fd, wanted, deadline);
    if (!ready) {
        check_raise(L, ready.error());
        if (ready.error() != std::errc::timed_out) return module_failure(L, ready.error());
    }
    unsigned events = ready ? *ready : 0;
    if (as_text) {
        lua_pushstring(L, events_text(events));
    } else {
        lua_pushinteger(L, events);
    }
    return 1;
}

// -- The last failure of a module function --------------------------------------------------------

int module_errno(lua_State* L) {
    LuaFiber* fiber = running_fiber(L);
    lua_pushinteger(L, fiber == nullptr ? 0 : fiber->module_errno);
    return 1;
}

int module_error(lua_State* L) {
    LuaFiber* fiber = running_fiber(L);
    if (fiber == nullptr || fiber->module_errno == 0) {
        lua_pushnil(L);
    } else {
        push_error_text(L, Error(fiber->module_errno));
    }
    return 1;
}

}  // namespace

// -- Arguments ------------------------------------------------------------------------------------

Endpoint check_endpoint(lua_State* L, int host, int port) {
    Endpoint endpoint;
    if (!lua_isnoneornil(L, host)) endpoint.host = check_text(L, host);
    if (lua_type(L, port) == LUA_TNUMBER) {
        int is_whole = 0;
        lua_Integer whole = lua_tointegerx(L, port, &is_whole);
        if (is_whole) {
            lua_pushinteger(L, whole);
        } else {
            lua_pushvalue(L, port);
        }
        endpoint.service = to_view(L, -1);
    } else {
        endpoint.service = check_text(L, port);
    }
    return endpoint;
}

bool is_function(lua_State* L, int index) { return lua_isfunction(L, index); }
bool is_text(lua_State* L, int index) { return lua_type(L, index) == LUA_TSTRING; }
bool is_port(lua_State* L, int index) {
    return is_text(L, index) || lua_type(L, index) == LUA_TNUMBER;
}
bool is_flag(lua_State* L, int index) { return lua_isboolean(L, index); }
bool is_number(lua_State* L, int index) {
    return lua_type(L, index) == LUA_TNUMBER && !std::isnan(lua_tonumber(L, index));
}

void push_fields(lua_State* L, int index, const char* function, std::span<const Field> fields) {
    for (const Field& field : fields) {
        lua_getfield(L, index, field.name);
        if (lua_isnil(L, -1) || field.fits(L, -1)) continue;
        luaL_error(L, "%s: %s must be %s, not %s", function, field.name, field.expected,
                   luaL_typename(L, -1));
    }
    for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1)) {
        std::string_view key = is_text(L, -2) ? to_view(L, -2) : std::string_view();
        bool known = std::any_of(fields.begin(), fields.end(),
                                 [key](const Field& field) { return key == field.name; });
        if (known) continue;
        luaL_tolstring(L, -2, nullptr);
        luaL_error(L, "%s: unknown option %s", function, lua_tostring(L, -1));
    }
}

// -- Opening --------------------------------------------------------------------------------------

int open_socket_core(lua_State* L) {
    static const luaL_Reg functions[] = {{"socketpair", module_socketpair},
                                         {"from_fd", module_from_fd},
                                         {"iowait", module_iowait},
                                         {"getaddrinfo", socket_getaddrinfo},
                                         {"errno", module_errno},
                                         {"error", module_error},
                                         {nullptr, nullptr}};
    make_socket_class(L);
    luaL_newlib(L, functions);
    add_connect_functions(L);
    add_server_functions(L);
    const struct {
        const char* name;
        int value;
    } halves[] = {{"SHUT_RD", SHUT_RD}, {"SHUT_WR", SHUT_WR}, {"SHUT_RDWR", SHUT_RDWR}};
    for (auto [name, value] : halves) {
        lua_pushinteger(L, value);
        lua_setfield(L, -2, name);
    }
    push_name_tables(L);
    lua_setfield(L, -2, "internal");
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, module_call);
    lua_setfield(L, -2, "__call");
    lua_setmetatable(L, -2);
    return 1;
}

}  // namespace coir
