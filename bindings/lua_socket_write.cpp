// lua_socket_write.cpp: the socket methods that write any amount, and those that wait until a
// socket is ready.
#include <sys/socket.h>

#include "bindings/lua_socket.hpp"

namespace coir {

namespace {

// Pushes the number of bytes; or nil, message, code and how many went before the error.
int push_written(lua_State* L, LuaSocket& s, Error error, std::size_t written) {
    if (error) fail(L, s, error);
    lua_pushinteger(L, static_cast<lua_Integer>(written));
    return error ? 4 : 1;
}

// The pieces of write{...}. They stay reachable in a table of their own, whatever becomes of the
// user's while the fiber waits.
std::span<const std::string_view> check_pieces(lua_State* L, int index) {
    lua_Unsigned count = lua_rawlen(L, index);
    luaL_argcheck(L, count <= INT32_MAX, index, "too many pieces");
    std::string_view* views = push_views(L, count);
    lua_createtable(L, static_cast<int>(count), 0);
    for (lua_Unsigned i = 0; i < count; ++i) {
        auto place = static_cast<lua_Integer>(i) + 1;
        if (lua_rawgeti(L, index, place) != LUA_TSTRING) {
            luaL_error(L, "bad argument to 'write' (piece %I is a %s, not a string)",
                       static_cast<LUAI_UACINT>(place), luaL_typename(L, -1));
        }
        views[i] = to_view(L, -1);
        lua_rawseti(L, -2, place);
    }
    return {views, count};
}

int write_pieces(lua_State* L, LuaSocket& s, std::size_t written) {
    std::string_view one;
    std::span<const std::string_view> pieces(&one, 1);
    Deadline deadline = write_deadline(L, s, 3);
    if (lua_type(L, 2) == LUA_TTABLE) {
        pieces = check_pieces(L, 2);
    } else {
        one = check_text(L, 2);
    }
    begin_wait(L);
    Error error = s.socket.write(pieces, deadline, written);
    return push_written(L, s, error, written);
}

// write(data | {data, …}[, timeout])
int socket_write(lua_State* L) {
    LuaSocket& s = check_socket(L);
    bool usual = lua_gettop(L) == 2 && lua_type(L, 2) == LUA_TSTRING && proceeds(L);
    if (!usual) return write_pieces(L, s, 0);
    std::string_view data = to_view(L, 2);
    Result<std::size_t> written = data.empty() ? 0 : s.socket.write_at_once(data);
    if (!written) return push_written(L, s, written.error(), 0);
    if (*written < data.size() || data.empty()) return write_pieces(L, s, *written);
    lua_pushinteger(L, static_cast<lua_Integer>(*written));
    return 1;
}

// writev(data, …)
int socket_writev(lua_State* L) {
    LuaSocket& s = check_socket(L);
    int count = lua_gettop(L) - 1;
    std::string_view* views = push_views(L, static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) views[i] = check_text(L, i + 2);
    Deadline deadline = to_deadline(L, lua_gettop(L) + 1, s.send_timeout);
    begin_wait(L);
    std::size_t written = 0;
    Error error = s.socket.write({views, static_cast<std::size_t>(count)}, deadline, written);
    return push_written(L, s, error, written);
}

int socket_flush(lua_State* L) {
    LuaSocket& s = check_socket(L);
    Deadline deadline = write_deadline(L, s, 2);
    begin_wait(L);
    return finish(L, s, s.socket.flush(deadline));
}

// setvbuf("no" | "auto"). Messages are never joined: for a socket that keeps their bounds it does
// nothing.
int socket_setvbuf(lua_State* L) {
    LuaSocket& s = check_socket(L);
    static const char* const modes[] = {"no", "auto", nullptr};
    bool stream = s.socket.type() == SOCK_STREAM || s.socket.type() == 0;
    s.socket.set_gathers(luaL_checkoption(L, 2, nullptr, modes) == 1 && stream);
    lua_pushboolean(L, true);
    return 1;
}

// -- Readiness ------------------------------------------------------------------------------------

// A socket that is closed meanwhile is ready for everything, so the answer is given, not an error.
Result<unsigned> wait_for(lua_State* L, LuaSocket& s, unsigned wanted) {
    Deadline deadline = opt_timeout(L, 2);
    begin_wait(L);
    Result<unsigned> ready = s.socket.descriptor().wait(wanted, deadline);
    if (!ready) check_raise(L, ready.error());
    return ready;
}

int socket_readable(lua_State* L) {
    LuaSocket& s = check_socket(L);
    Result<unsigned> ready = wait_for(L, s, Descriptor::readable);
    return finish(L, s, ready.error());
}

int socket_writable(lua_State* L) {
    LuaSocket& s = check_socket(L);
    Result<unsigned> ready = wait_for(L, s, Descriptor::writable);
    return finish(L, s, ready.error());
}

// wait([timeout]) -> "R" | "W" | "RW" | nil, message, code
int socket_wait(lua_State* L) {
    LuaSocket& s = check_socket(L);
    Result<unsigned> ready = wait_for(L, s, Descriptor::readable | Descriptor::writable);
    if (!ready) return fail(L, s, ready.error());
    static const char* const texts[] = {"", "R", "W", "RW"};
    lua_pushstring(L, texts[*ready]);
    return 1;
}

}  // namespace

void add_write_methods(lua_State* L) {
    static const luaL_Reg methods[] = {{"write", socket_write},       {"writev", socket_writev},
                                       {"flush", socket_flush},       {"setvbuf", socket_setvbuf},
                                       {"readable", socket_readable}, {"writable", socket_writable},
                                       {"wait", socket_wait},         {nullptr, nullptr}};
    luaL_setfuncs(L, methods, 0);
}

}  // namespace coir
