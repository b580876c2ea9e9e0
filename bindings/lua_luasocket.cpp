// lua_luasocket.cpp: what lua_modules/coir/luasocket needs and Lua cannot do:
// `coir.luasocket.core`.
#include <sys/socket.h>
#include <unistd.h>

#include <climits>

#include "bindings/lua_socket.hpp"
#include "runtime/wait_any.hpp"

namespace coir {

namespace {

constexpr lua_Integer readable = Descriptor::readable;
constexpr lua_Integer writable = Descriptor::writable;

// What select(2) would say of a descriptor that poll(2) has reported.
lua_Integer ready_events(const pollfd& entry) {
    lua_Integer ready = 0;
    if (entry.revents & (POLLIN | POLLHUP | POLLERR)) ready |= readable;
    if (entry.revents & (POLLOUT | POLLERR)) ready |= writable;
    return ready;
}

// poll(fds, events[, timeout]): waits until one of the descriptors of the list `fds` is ready for
// its number in the list `events` (1: to read, 2: to write, 3: either), and sets all of `events` to
// what is ready: 0 to 3. Returns true, or nil, message, code.
int core_poll(lua_State* L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checktype(L, 2, LUA_TTABLE);
    Deadline deadline = opt_timeout(L, 3);
    lua_Unsigned count = lua_rawlen(L, 1);
    luaL_argcheck(L, count <= INT_MAX, 1, "too many descriptors");
    auto* entries = static_cast<pollfd*>(lua_newuserdatauv(L, count * sizeof(pollfd), 0));
    for (lua_Unsigned i = 0; i < count; ++i) {
        lua_rawgeti(L, 1, static_cast<lua_Integer>(i) + 1);
        lua_rawgeti(L, 2, static_cast<lua_Integer>(i) + 1);
        lua_Integer events = luaL_checkinteger(L, -1);
        entries[i] = {check_descriptor(L, -2), 0, 0};
        if (events & readable) entries[i].events |= POLLIN;
        if (events & writable) entries[i].events |= POLLOUT;
        lua_pop(L, 2);
    }
    begin_wait(L);
    Result<std::size_t> ready = wait_any(scheduler_of(L), {entries, count}, deadline);
    if (!ready) {
        check_raise(L, ready.error());
        return push_failure(L, ready.error());
    }
    for (lua_Unsigned i = 0; i < count; ++i) {
        lua_pushinteger(L, ready_events(entries[i]));
        lua_rawseti(L, 2, static_cast<lua_Integer>(i) + 1);
    }
    lua_pushboolean(L, true);
    return 1;
}

// close_quietly(socket): a call that waits on this socket when it is closed fails with EBADF
// instead of raising. Returns the socket.
int core_close_quietly(lua_State* L) {
    check_any_socket(L).raises_when_closed = false;
    lua_settop(L, 1);
    return 1;
}

// disconnect(socket): a datagram socket has no peer any more. What connect(2) says of it is of no
// use: some systems report an error although they have done it.
int core_disconnect(lua_State* L) {
    sockaddr nobody{};
    nobody.sa_family = AF_UNSPEC;
    (void)::connect(check_any_socket(L).socket.fd(), &nobody, sizeof nobody);
    return 0;
}

// numeric(host) -> "inet" | "inet6", the address as it is usually written | nil: when it is a name.
int core_numeric(lua_State* L) {
    Result<Address> address = Address::inet(AF_UNSPEC, check_string(L, 1), 0);
    if (!address) return 0;
    lua_pushstring(L, address->family() == AF_INET6 ? "inet6" : "inet");
    Address::Text text = address->host();
    push_view(L, text.view());
    return 2;
}

// hostname() -> string | nil, message, code
int core_hostname(lua_State* L) {
    char name[HOST_NAME_MAX + 1];
    if (::gethostname(name, sizeof name) < 0) return push_failure(L, last_errno());
    name[HOST_NAME_MAX] = '\0';
    lua_pushstring(L, name);
    return 1;
}

}  // namespace

int open_luasocket_core(lua_State* L) {
    static const luaL_Reg functions[] = {{"poll", core_poll},
                                         {"close_quietly", core_close_quietly},
                                         {"disconnect", core_disconnect},
                                         {"numeric", core_numeric},
                                         {"hostname", core_hostname},
                                         {nullptr, nullptr}};
    luaL_newlib(L, functions);
    return 1;
}

}  // namespace coir
