#include "bindings/lua_listener.hpp"

#include <algorithm>
#include <climits>
#include <new>

namespace coir {

namespace {

constexpr const char* class_name = "socket.listener";

int listener_gc(lua_State* L) {
    auto* shared = static_cast<LuaListener*>(luaL_checkudata(L, 1, class_name));
    if (!inside_finalizer(L)) return 0;
    shared->listener.abandon();
    shared->~LuaListener();
    return 0;
}

// Whether the function at `index` has more than one parameter.
bool takes_more_than_one(lua_State* L, int index) {
    lua_Debug about;
    lua_pushvalue(L, index);
    return lua_getinfo(L, ">u", &about) == 0 || about.isvararg || about.nparams > 1;
}

bool assign(std::string& text, std::string_view value) {
    try {
        text = value;
        return true;
    } catch (const std::bad_alloc&) {
        return false;
    }
}

// -- Opening --------------------------------------------------------------------------------------

Error find_own_addresses(Resolver& resolver, const ServerArguments& arguments,
                         LuaListener& shared) {
    try {
        return find_addresses(resolver, arguments.endpoint, arguments.deadline, shared.addresses,
                              shared.why);
    } catch (const std::bad_alloc&) {
        return std::errc::not_enough_memory;
    }
}

// Opens the listener on the socket objects in the table at `table`. When prepare raises, the error
// is left on top of the stack.
Error open_sockets(lua_State* L, LuaListener& shared, const ServerArguments& arguments, int table,
                   bool& raised) {
    auto prepare = [&](Socket&) -> Result<int> {
        lua_pushvalue(L, arguments.prepare);
        lua_rawgeti(L, table, static_cast<lua_Integer>(shared.listener.sockets().size()));
        raised = lua_pcall(L, 1, 1, 0) != LUA_OK;
        if (raised) return std::errc::operation_canceled;
        int given = 0;
        lua_Integer backlog = lua_tointegerx(L, -1, &given);
        lua_pop(L, 1);
        return given ? static_cast<int>(std::clamp<lua_Integer>(backlog, 0, INT_MAX))
                     : arguments.options.backlog;
    };
    try {
        std::vector<Socket*> sockets;
        for (std::size_t i = 0; i < shared.addresses.size(); ++i) {
            lua_rawgeti(L, table, static_cast<lua_Integer>(i + 1));
            sockets.push_back(&static_cast<LuaSocket*>(lua_touserdata(L, -1))->socket);
            lua_pop(L, 1);
        }
        Listener::Prepare wanted;
        if (!lua_isnil(L, arguments.prepare)) wanted = prepare;
        return shared.listener.open(shared.addresses, sockets, arguments.options, wanted,
                                    shared.why);
    } catch (const std::bad_alloc&) {
        return std::errc::not_enough_memory;
    }
}

// Pushes a table of as many closed sockets as the listener has addresses. Each keeps it alive.
void push_sockets(lua_State* L, LuaListener& shared, int index) {
    lua_newtable(L);
    for (std::size_t i = 1; i <= shared.addresses.size(); ++i) {
        push_new_socket(L, 1).listener = &shared.listener;
        lua_pushvalue(L, index);
        lua_setiuservalue(L, -2, 1);
        lua_rawseti(L, -2, static_cast<lua_Integer>(i));
    }
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, index, LuaListener::sockets_value);
}

LuaListener* fail_to_open(lua_State* L, const LuaListener& shared, Error error) {
    fail_look_up(L, error, shared.why);
    return nullptr;
}

// -- Ending ---------------------------------------------------------------------------------------

// The fiber of a socket, function(listener, socket): whatever ends it, nobody is left waiting for a
// server that says nothing.
class ServingFiber final : public LuaFiber {
public:
    ServingFiber(const Birth& birth, Listener& listener) : LuaFiber(birth), listener_(listener) {}

private:
    void returned() override { listener_.close(); }
    Listener& listener_;
};

// stop([timeout]) -> true | false, message, code
int server_stop(lua_State* L) {
    LuaSocket* s = test_socket(L, 1);
    if (s == nullptr || s->listener == nullptr)
        return luaL_error(L, "Usage: server:stop([timeout])");
    Deadline deadline = opt_timeout(L, 2);
    s->listener->close();
    begin_wait(L);
    Result<std::size_t> cancelled = s->listener->stop(deadline);
    if (!cancelled) {
        check_raise(L, cancelled.error());
        return push_refusal(L, cancelled.error());
    }
    lua_pushboolean(L, *cancelled == 0);
    if (*cancelled == 0) return 1;
    if (*cancelled == 1) {
        lua_pushliteral(L, "1 handler was cancelled");
    } else {
        lua_pushfstring(L, "%I handlers were cancelled", static_cast<LUAI_UACINT>(*cancelled));
    }
    lua_pushinteger(L, ETIMEDOUT);
    set_errno(L, ETIMEDOUT);
    return 3;
}

}  // namespace

// -- Listeners ------------------------------------------------------------------------------------

LuaListener& push_new_listener(lua_State* L, const ServerArguments& arguments) {
    void* memory = lua_newuserdatauv(L, sizeof(LuaListener), LuaListener::user_values);
    auto* shared = new (memory) LuaListener(scheduler_of(L));
    luaL_setmetatable(L, class_name);
    set_listener_options(L, lua_gettop(L), arguments);
    return *shared;
}

void set_listener_options(lua_State* L, int index, const ServerArguments& arguments) {
    auto& shared = *static_cast<LuaListener*>(lua_touserdata(L, index));
    shared.listener.set_max_connections(arguments.options.max_connections);
    shared.tells_sender =
        !lua_isnil(L, arguments.handler) && takes_more_than_one(L, arguments.handler);
    lua_pushvalue(L, arguments.handler);
    lua_setiuservalue(L, index, LuaListener::handler_value);
    if (lua_isnil(L, arguments.name)) return;
    if (!assign(shared.name, to_view(L, arguments.name))) luaL_error(L, "not enough memory");
}

LuaListener* push_open_listener(lua_State* L, const ServerArguments& arguments) {
    begin_wait(L);
    Resolver& resolver = resolver_of(L);
    LuaListener& shared = push_new_listener(L, arguments);
    int index = lua_gettop(L);
    if (Error error = find_own_addresses(resolver, arguments, shared)) {
        return fail_to_open(L, shared, error);
    }
    push_sockets(L, shared, index);
    bool raised = false;
    Error error = open_sockets(L, shared, arguments, index + 1, raised);
    if (raised) lua_error(L);
    if (error) return fail_to_open(L, shared, error);
    lua_rawgeti(L, index + 1, 1);
    lua_remove(L, index + 1);
    return &shared;
}

// -- Fibers ---------------------------------------------------------------------------------------

// "server/127.0.0.1:41234", in `room`.
static std::string_view name_in(Fiber::NameRoom& room, std::string_view server,
                                const Address& peer) {
    Address::Text text = peer.text();
    std::size_t size = 0;
    for (std::string_view part : {server, std::string_view("/"), text.view()}) {
        size += part.copy(room.data() + size, LuaFiber::longest_name - size);
    }
    return {room.data(), size};
}

std::string_view HandlerFiber::name_after(const Address& peer, NameRoom& room) const {
    return named ? std::string_view(name()) : name_in(room, server_.name, peer);
}

bool start_serving(lua_State* L, int index, lua_CFunction function, std::size_t from) {
    auto& shared = *static_cast<LuaListener*>(lua_touserdata(L, index));
    std::uint16_t asked = shared.addresses.front().port();
    lua_getiuservalue(L, index, LuaListener::sockets_value);
    int sockets = lua_gettop(L);
    for (std::size_t i = from; i < shared.listener.sockets().size(); ++i) {
        push_new_handle(L, FiberHandle::server_value);
        lua_pushvalue(L, index);
        lua_setiuservalue(L, -2, FiberHandle::server_value);
        lua_pushcfunction(L, function);
        lua_pushvalue(L, index);
        lua_rawgeti(L, sockets, static_cast<lua_Integer>(i + 1));
        Result<Address> address = shared.listener.sockets()[i]->name();
        Result<ServingFiber*> fiber = make_fiber<ServingFiber>(L, sockets + 2, shared.listener);
        if (!fiber) {
            shared.listener.close();
            module_failure(L, fiber.error());
            return false;
        }
        if (address) {
            address->set_port(asked);
            Fiber::NameRoom room;
            (void)(*fiber)->try_set_name(name_in(room, shared.name, *address));
        }
        start_new_fiber(L, **fiber, false);
        lua_settop(L, sockets);
    }
    lua_pop(L, 1);
    return true;
}

int outlast_shortage(lua_State* L, lua_CFunction serve) {
    auto& shared = *static_cast<LuaListener*>(lua_touserdata(L, 1));
    auto& on = *static_cast<LuaSocket*>(lua_touserdata(L, 2));
    begin_wait(L);
    for (;;) {
        lua_settop(L, 2);
        lua_pushcfunction(L, serve);
        lua_pushvalue(L, 1);
        lua_pushvalue(L, 2);
        int status = lua_pcall(L, 2, LUA_MULTRET, 0);
        if (status == LUA_OK) return lua_gettop(L) - 2;
        if (LuaSocket* client = std::exchange(shared.incoming, nullptr)) client->socket.abandon();
        if (status != LUA_ERRMEM) return lua_error(L);
        check_raise(L, shared.listener.endure(std::errc::not_enough_memory, on.socket));
    }
}

void push_handler(lua_State* L, int socket) {
    push_new_handle(L, FiberHandle::handler_values);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, FiberHandle::server_value);
    lua_pushvalue(L, socket);
    lua_setiuservalue(L, -2, FiberHandle::socket_value);
    lua_getiuservalue(L, 1, LuaListener::handler_value);
}

void push_address_asked_for(lua_State* L, const LuaListener& shared) {
    const Socket& first = *shared.listener.sockets().front();
    Result<Address> address = first.name();
    if (address) address->set_port(shared.addresses.front().port());
    push_full_address(L, first, address ? *address : shared.addresses.front());
}

void make_listener_class(lua_State* L) {
    luaL_newmetatable(L, class_name);
    lua_pushcfunction(L, listener_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
}

void add_server_methods(lua_State* L) {
    lua_pushcfunction(L, server_stop);
    lua_setfield(L, -2, "stop");
}

}  // namespace coir
