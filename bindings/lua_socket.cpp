// lua_socket.cpp: the life of socket objects, and their class.
#include "bindings/lua_socket.hpp"

#include <sys/socket.h>

#include <cstdlib>
#include <new>

#include "bindings/indexed_value.hpp"
#include "bindings/socket_names.hpp"
#include "runtime/listener.hpp"

namespace coir {

namespace {

constexpr const char* class_name = "socket";

// -- rbuf: what a socket has buffered -------------------------------------------------------------

const LuaSocket& buffer_owner(lua_State* L) {
    luaL_checkudata(L, 1, "socket.rbuf");
    lua_getiuservalue(L, 1, 1);
    return *static_cast<LuaSocket*>(lua_touserdata(L, -1));
}

int buffer_size(lua_State* L) {
    lua_pushinteger(L, static_cast<lua_Integer>(buffer_owner(L).socket.buffered().size()));
    return 1;
}

int buffer_tostring(lua_State* L) {
    push_view(L, buffer_owner(L).socket.buffered());
    return 1;
}

// What a socket has that is no method.
int socket_field(lua_State* L) {
    if (!push_indexed_value(L, "rbuf") || test_socket(L, -1) == nullptr) return 0;
    lua_newuserdatauv(L, 0, 1);
    luaL_setmetatable(L, "socket.rbuf");
    lua_pushvalue(L, -2);
    lua_setiuservalue(L, -2, 1);
    return 1;
}

int socket_gc(lua_State* L) {
    LuaSocket* s = test_socket(L, 1);
    if (s == nullptr) return 0;
    if (s->socket.is_open()) (void)s->close();
    if (!inside_finalizer(L)) return 0;  // called by hand: others may still use it
    s->socket.abandon();
    s->listener = nullptr;  // it may be gone, and a finalizer may still be handed the socket
    return 0;
}

// Leaving the scope of `local s <close>`: closed already is fine.
int socket_leave_scope(lua_State* L) {
    LuaSocket* s = test_socket(L, 1);
    if (s != nullptr && s->socket.is_open()) (void)close_socket(L, *s, write_deadline(L, *s, 3));
    return 0;
}

}  // namespace

// -- Shared ---------------------------------------------------------------------------------------

Error LuaSocket::close() {
    if (listener == nullptr) return socket.close();
    listener->close();
    return {};
}

// Without a metatable.
static LuaSocket& push_bare_socket(lua_State* L, int user_values) {
    void* memory = lua_newuserdatauv(L, sizeof(LuaSocket), user_values);
    return *new (memory) LuaSocket(scheduler_of(L));
}

LuaSocket& push_new_socket(lua_State* L, int user_values) {
    LuaSocket& s = push_bare_socket(L, user_values);
    lua_rawgetp(L, LUA_REGISTRYINDEX, home_of(L).socket_metatable);
    lua_setmetatable(L, -2);
    return s;
}

LuaSocket& push_served_socket(lua_State* L, int metatable) {
    LuaSocket& s = push_bare_socket(L, 0);
    lua_pushvalue(L, metatable);
    lua_setmetatable(L, -2);
    return s;
}

void push_served_metatable(lua_State* L) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, home_of(L).served_metatable);
}

void add_finalizer(lua_State* L, int index) {
    lua_pushvalue(L, index);
    lua_rawgetp(L, LUA_REGISTRYINDEX, home_of(L).socket_metatable);
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
}

void raise_unusable(lua_State* L) {
    if (test_socket(L, 1) != nullptr) luaL_error(L, "attempt to use closed socket");
    luaL_error(L, "Usage: socket:method()%s",
               lua_isnoneornil(L, 1) ? "" : ", called with non-socket");
    std::abort();  // luaL_error does not return
}

Deadline to_deadline(lua_State* L, int index, double own) {
    if (!lua_isnoneornil(L, index)) return opt_timeout(L, index);
    return own > longest_timeout ? never : deadline_after(own);
}

static void note_failure(lua_State* L, LuaSocket& s, Error error) {
    check_raise(L, error);
    if (!s.socket.is_open() && s.raises_when_closed) luaL_error(L, "attempt to use closed socket");
    s.error = error.code();
}

int fail(lua_State* L, LuaSocket& s, Error error) {
    note_failure(L, s, error);
    return push_failure(L, error);
}

int refuse(lua_State* L, LuaSocket& s, Error error) {
    note_failure(L, s, error);
    return push_refusal(L, error);
}

// Pushes "host:port: why", the limit, if a path is too long, and the code.
static int push_failed_address(lua_State* L, Error error, const AddressArguments& about) {
    push_view(L, about.view());
    lua_pushstring(L, ": ");
    if (about.too_long) {
        lua_pushfstring(L,
                        "path is longer than %d bytes: ", static_cast<int>(Address::max_unix_path));
        lua_concat(L, 2);
    }
    push_error_text(L, error);
    lua_concat(L, 3);
    lua_pushinteger(L, error.code());
    set_errno(L, error.code());
    return 3;
}

int fail(lua_State* L, LuaSocket& s, Error error, const AddressArguments& about) {
    note_failure(L, s, error);
    lua_pushnil(L);
    return push_failed_address(L, error, about);
}

int refuse(lua_State* L, LuaSocket& s, Error error, const AddressArguments& about) {
    note_failure(L, s, error);
    lua_pushboolean(L, false);
    return push_failed_address(L, error, about);
}

Error finish_output(lua_State* L, LuaSocket& s, Deadline deadline) {
    if (!s.socket.has_gathered() && !s.socket.lingers()) return {};
    LuaFiber* fiber = running_fiber(L);
    bool may_wait = fiber != nullptr && !fiber->cancelled() && !inside_finalizer(L);
    if (!may_wait) return {};
    fiber->waiter = L;
    Error flushed;
    if (s.socket.has_gathered()) flushed = s.socket.flush(deadline);
    return flushed ? flushed : s.socket.linger_out();
}

Error close_socket(lua_State* L, LuaSocket& s, Deadline deadline) {
    Error flushed = finish_output(L, s, deadline);
    Error closed = s.socket.is_open() ? s.close() : Error();
    check_raise(L, flushed);
    return flushed ? flushed : closed;
}

void push_sender(lua_State* L, const Address& address) {
    lua_createtable(L, 0, 3);
    Address::Text host = address.host();
    push_view(L, host.view());
    lua_setfield(L, -2, "host");
    if (address.family() == AF_UNIX) {
        Address::Text path = address.path();
        push_view(L, path.view());
    } else {
        lua_pushinteger(L, address.port());
    }
    lua_setfield(L, -2, "port");
    push_domain(L, address.family());
    lua_setfield(L, -2, "family");
}

// -- Opening --------------------------------------------------------------------------------------

// Makes the table on top of the stack, whose place is taken, a key of the registry by its address.
static const void* keep_metatable(lua_State* L) {
    const void* address = lua_topointer(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, address);
    return address;
}

// Pushes a copy of the metatable on top of the stack that has no finalizer.
static void push_without_finalizer(lua_State* L) {
    push_roomy_table(L, 5);
    for (const char* field : {"__name", "__index", "__close", "__tostring"}) {
        lua_getfield(L, -2, field);
        lua_setfield(L, -2, field);
    }
}

// Pushes the table of all methods.
static void push_methods(lua_State* L) {
    push_roomy_table(L, 48);
    add_plain_methods(L);
    add_transfer_methods(L);
    add_read_methods(L);
    add_write_methods(L);
    add_option_methods(L);
    add_server_methods(L);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, socket_field);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
}

static void make_socket_metatables(lua_State* L) {
    push_new_class(L, class_name, 4);
    push_methods(L);
    lua_getfield(L, -1, "__tostring");
    lua_setfield(L, -3, "__tostring");
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, socket_gc);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, socket_leave_scope);
    lua_setfield(L, -2, "__close");
    push_without_finalizer(L);
    home_of(L).served_metatable = keep_metatable(L);
    home_of(L).socket_metatable = keep_metatable(L);
}

static void make_buffer_class(lua_State* L) {
    static const luaL_Reg methods[] = {{"size", buffer_size},
                                       {"__len", buffer_size},
                                       {"__tostring", buffer_tostring},
                                       {nullptr, nullptr}};
    luaL_newmetatable(L, "socket.rbuf");
    luaL_setfuncs(L, methods, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}

void make_socket_class(lua_State* L) {
    make_socket_metatables(L);
    make_buffer_class(L);
}

}  // namespace coir
