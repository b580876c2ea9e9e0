// lua_socket_read.cpp: the socket methods that read any amount: read, readline, lines and their
// kin.
#include "bindings/lua_read_arguments.hpp"
#include "bindings/lua_socket.hpp"

namespace coir {

namespace {

int push_buffered(lua_State* L, LuaSocket& s, Result<std::size_t> n) {
    if (!n) return fail(L, s, n.error());
    lua_pushlstring(L, s.socket.buffered().data(), *n);
    return 1;
}

// The string is made first and the bytes leave the buffer afterwards: nothing is lost if it can't
// be.
int push_filled(lua_State* L, LuaSocket& s, Result<std::size_t> n) {
    int results = push_buffered(L, s, n);
    if (n) s.socket.consume(*n);
    return results;
}

[[gnu::noinline]] void note_touched(lua_State* L, Fiber& fiber, const LuaSocket& s) {
    constexpr std::size_t header = 40;  // of the object
    note_touched(L, fiber, {reinterpret_cast<const char*>(&s) - header, 5},
                 {__builtin_frame_address(0), 5});
}

// begin_wait() for a read, which is where the fibers of a server wait: in a crowd, much of what
// there is to touch has left the caches by then. It hardly changes; connections that end soon spare
// it.
inline void begin_read(lua_State* L, const LuaSocket& s) {
    begin_wait(L);
    Scheduler& scheduler = scheduler_of(L);
    Fiber& fiber = *scheduler.running();
    if (scheduler.crowded() && fiber.switches() % 16 == 2) note_touched(L, fiber, s);
}

// A read is two halves, with its arguments on L's stack: it fills the buffer, which waits, and
// pushes what has come of it.
using Fill = Result<std::size_t> (*)(lua_State* L, LuaSocket& s, Deadline deadline);
using Push = int (*)(lua_State* L, LuaSocket& s, Result<std::size_t> n);

// Goes on after a rest. Above the arguments lies the deadline.
template <Fill fill, Push push>
int read_on(lua_State* L, int, lua_KContext count) {
    if (!goes_on(L, count)) return lua_yieldk(L, 0, count, read_on<fill, push>);
    Deadline deadline{Duration(lua_tointeger(L, -1))};
    lua_pop(L, 1);
    auto& s = *static_cast<LuaSocket*>(lua_touserdata(L, 1));
    Error woken_by = s.socket.rested();
    return push(L, s, woken_by ? woken_by : fill(L, s, deadline));
}

// Whether the fiber keeps no C stack while it waits: in a crowd, where that can be.
bool may_rest(lua_State* L) { return scheduler_of(L).crowded() && running_fiber(L)->is_in_lua(L); }

// A read that does so. What is there is taken at once; a part of what was asked for is no reason to
// rest, because more will follow.
template <Fill fill, Push push>
int read_or_rest(lua_State* L, LuaSocket& s, Deadline deadline) {
    if (!s.socket.must_await_input()) {
        Result<std::size_t> n = fill(L, s, immediate);
        if (n || !would_block(n.error())) return push(L, s, n);
        if (!s.socket.must_await_input()) return push(L, s, fill(L, s, deadline));
    }
    if (Error error = s.socket.rest(deadline)) return push(L, s, error);
    lua_pushinteger(L, deadline.time_since_epoch().count());
    return lua_yieldk(L, 0, lua_gettop(L), read_on<fill, push>);
}

template <TakeArguments take>
Result<std::size_t> fill_as_asked(lua_State* L, LuaSocket& s, Deadline deadline) {
    ReadArguments arguments;
    take(L, arguments);
    return s.socket.fill(arguments.request, deadline);
}

template <TakeArguments take, Push push>
int read_with(lua_State* L, LuaSocket& s) {
    ReadArguments arguments;
    take(L, arguments);
    Deadline deadline = read_deadline(L, s, arguments.next);
    begin_read(L, s);
    // A table may say something else when it is looked at again.
    bool has_table = lua_type(L, 2) == LUA_TTABLE || lua_gettop(L) > most_arguments;
    if (may_rest(L) && !has_table && arguments.request.limit > 0) {
        return read_or_rest<fill_as_asked<take>, push>(L, s, deadline);
    }
    return push(L, s, s.socket.fill(arguments.request, deadline));
}

int socket_read(lua_State* L) {
    return read_with<take_read_arguments, push_filled>(L, check_socket(L));
}

int socket_readline(lua_State* L) {
    LuaSocket& s = check_socket(L);
    std::size_t n = lua_gettop(L) == 1 ? s.socket.line_at_once() : 0;
    if (n > 0 && proceeds(L) && !inside_finalizer(L, *running_fiber(L)))
        return push_filled(L, s, n);
    return read_with<take_readline_arguments, push_filled>(L, s);
}

int socket_peek(lua_State* L) {
    return read_with<take_read_arguments, push_buffered>(L, check_socket(L));
}

std::size_t check_any_limit(lua_State* L) {
    bool usual = lua_gettop(L) == 1 || lua_isnoneornil(L, 2);
    return usual ? SIZE_MAX : check_limit(L, 2);
}

Result<std::size_t> fill_any(lua_State* L, LuaSocket& s, Deadline deadline) {
    return s.socket.fill_any(check_any_limit(L), deadline);
}

// read_any([max[, timeout]]): what is buffered, else whatever arrives first.
int socket_read_any(lua_State* L) {
    LuaSocket& s = check_socket(L);
    std::size_t limit = check_any_limit(L);
    Deadline deadline = read_deadline(L, s, 3);
    begin_read(L, s);
    if (may_rest(L) && limit > 0) return read_or_rest<fill_any, push_filled>(L, s, deadline);
    return push_filled(L, s, s.socket.fill_any(limit, deadline));
}

int socket_unread(lua_State* L) {
    LuaSocket& s = check_socket(L);
    return finish(L, s, s.socket.unread(check_string(L, 2)));
}

int socket_setmaxline(lua_State* L) {
    LuaSocket& s = check_socket(L);
    lua_Integer size = luaL_checkinteger(L, 2);
    luaL_argcheck(L, size > 0, 2, "the longest line must be positive");
    s.socket.set_max_line(static_cast<std::size_t>(size));
    return 0;
}

// -- lines ----------------------------------------------------------------------------------------

// The iterator; its upvalues are the socket and the delimiter.
Result<std::size_t> fill_line(lua_State* L, LuaSocket& s, Deadline deadline) {
    std::string_view eol = to_view(L, lua_upvalueindex(2));
    Socket::Request request;
    request.delimiters = {&eol, 1};
    return s.socket.fill(request, deadline);
}

int push_line(lua_State* L, LuaSocket& s, Result<std::size_t> n) {
    if (!n) {
        fail(L, s, n.error());
        return luaL_error(L, "%s", lua_tostring(L, -2));
    }
    if (*n == 0) return 0;
    std::string_view eol = to_view(L, lua_upvalueindex(2));
    std::string_view line = s.socket.buffered().substr(0, *n);
    push_view(L, line.ends_with(eol) ? line.substr(0, line.size() - eol.size()) : line);
    s.socket.consume(*n);
    return 1;
}

int next_line(lua_State* L) {
    lua_settop(L, 0);
    lua_pushvalue(L, lua_upvalueindex(1));
    LuaSocket& s = check_socket(L);
    Deadline deadline = read_deadline(L, s, 2);
    begin_read(L, s);
    if (may_rest(L)) return read_or_rest<fill_line, push_line>(L, s, deadline);
    return push_line(L, s, fill_line(L, s, deadline));
}

// lines([eol]): for every line, without its end.
int socket_lines(lua_State* L) {
    check_socket(L);
    lua_settop(L, 2);
    if (lua_isnil(L, 2)) {
        lua_pushliteral(L, "\n");
        lua_replace(L, 2);
    }
    check_delimiter(L, 2, "Usage: s:lines([eol])");
    lua_pushcclosure(L, next_line, 2);
    return 1;
}

}  // namespace

void add_read_methods(lua_State* L) {
    static const luaL_Reg methods[] = {
        {"read", socket_read},         {"readline", socket_readline},
        {"read_any", socket_read_any}, {"peek", socket_peek},
        {"unread", socket_unread},     {"setmaxline", socket_setmaxline},
        {"lines", socket_lines},       {nullptr, nullptr}};
    luaL_setfuncs(L, methods, 0);
}

}  // namespace coir
