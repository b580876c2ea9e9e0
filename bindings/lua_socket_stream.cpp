// lua_socket_stream.cpp: the socket methods that move any amount: read, readline, write and their
// kin.
#include <sys/socket.h>

#include <cstring>

#include "bindings/lua_fiber.hpp"
#include "bindings/lua_socket.hpp"

namespace coir {

namespace {

constexpr const char* read_usage =
    "Usage: s:read(delimiter|chunk|{delimiter = x, chunk = x}, timeout)";

// What a read was asked for. The delimiters of a table are in memory that Lua owns, on L's stack.
struct ReadArguments {
    Socket::Request request;
    std::string_view one;  // the delimiter, when there is one
    int next = 2;          // the index of the argument that follows

    void set_delimiter(std::string_view delimiter) {
        one = delimiter;
        request.delimiters = {&one, 1};
    }
};
using TakeArguments = void (*)(lua_State* L, ReadArguments& arguments);
constexpr int most_arguments = 5;  // that a read looks at, the socket among them

// Room for `n` string views that lives as long as it stays on the stack.
std::string_view* push_views(lua_State* L, std::size_t n) {
    return static_cast<std::string_view*>(lua_newuserdatauv(L, n * sizeof(std::string_view), 0));
}

std::string_view check_delimiter(lua_State* L, int index, const char* usage) {
    std::string_view text;
    if (lua_type(L, index) == LUA_TSTRING) text = to_view(L, index);
    if (text.empty()) luaL_error(L, "%s", usage);
    return text;
}

// Takes a string or a table of strings. The table is copied: it may change while the fiber waits.
void take_delimiters(lua_State* L, int index, ReadArguments& arguments, const char* usage) {
    index = lua_absindex(L, index);
    if (lua_type(L, index) != LUA_TTABLE) {
        return arguments.set_delimiter(check_delimiter(L, index, usage));
    }
    lua_Unsigned count = lua_rawlen(L, index);
    if (count == 0) luaL_error(L, "%s", usage);
    if (count > 1000) luaL_error(L, "too many delimiters");
    luaL_checkstack(L, static_cast<int>(count) + LUA_MINSTACK, "too many delimiters");
    std::string_view* views = push_views(L, count);
    for (lua_Unsigned i = 0; i < count; ++i) {
        lua_rawgeti(L, index, static_cast<lua_Integer>(i) + 1);
        views[i] = check_delimiter(L, -1, usage);
    }
    arguments.request.delimiters = {views, count};
}

std::size_t check_limit(lua_State* L, int index) {
    lua_Integer limit = luaL_checkinteger(L, index);
    if (limit < 0) luaL_error(L, "size is negative: %I", static_cast<LUAI_UACINT>(limit));
    return static_cast<std::size_t>(limit);
}

// {chunk =, size =, delimiter =, line =}
void take_read_table(lua_State* L, int index, ReadArguments& arguments) {
    for (const char* name : {"chunk", "size"}) {
        if (lua_getfield(L, index, name) != LUA_TNIL) {
            int whole = 0;
            lua_tointegerx(L, -1, &whole);
            if (!whole) {
                luaL_error(L, "bad field '%s' (integer expected, got %s)", name,
                           luaL_typename(L, -1));
            }
            arguments.request.limit = check_limit(L, -1);
        }
        lua_pop(L, 1);
    }
    for (const char* name : {"delimiter", "line"}) {
        if (lua_getfield(L, index, name) == LUA_TNIL) {
            lua_pop(L, 1);
        } else {
            take_delimiters(L, -1, arguments, read_usage);
        }
    }
}

// read([limit | delimiter | table][, timeout])
void take_read_arguments(lua_State* L, ReadArguments& arguments) {
    if (lua_gettop(L) == 1) return;
    lua_settop(L, most_arguments);
    arguments.next = 3;
    switch (lua_type(L, 2)) {
        case LUA_TNONE:
        case LUA_TNIL:
            break;
        case LUA_TNUMBER:
            arguments.request.limit = check_limit(L, 2);
            break;
        case LUA_TSTRING:
            take_delimiters(L, 2, arguments, read_usage);
            break;
        case LUA_TTABLE:
            take_read_table(L, 2, arguments);
            break;
        default:
            luaL_error(L, "%s", read_usage);
    }
}

// readline([limit][, eols][, timeout])
void take_readline_arguments(lua_State* L, ReadArguments& arguments) {
    static const char usage[] = "Usage: s:readline([limit], [eol | {eol, …}], [timeout])";
    arguments.set_delimiter("\n");
    if (lua_gettop(L) == 1) return;
    lua_settop(L, most_arguments);
    int index = 2;
    if (lua_type(L, index) == LUA_TNUMBER) {
        arguments.request.limit = check_limit(L, index++);
    } else if (lua_isnil(L, index) && !lua_isnoneornil(L, index + 1)) {
        ++index;
    }
    int kind = lua_type(L, index);
    if (kind == LUA_TSTRING || kind == LUA_TTABLE) {
        take_delimiters(L, index++, arguments, usage);
    } else {
        if (kind == LUA_TNIL) ++index;
    }
    if (lua_type(L, index) == LUA_TNIL && lua_type(L, index + 1) == LUA_TNUMBER) ++index;
    if (!lua_isnoneornil(L, index) && lua_type(L, index) != LUA_TNUMBER) luaL_error(L, "%s", usage);
    arguments.next = index;
}

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

// Whether an operation that does not wait may go on without begin_wait().
bool proceeds(lua_State* L) { return running_fiber(L) != nullptr && scheduler_of(L).proceeds(); }

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
bool may_rest(lua_State* L) { return scheduler_of(L).crowded() && running_fiber(L)->can_rest(L); }

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

// -- Writing --------------------------------------------------------------------------------------

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

void add_stream_methods(lua_State* L) {
    static const luaL_Reg methods[] = {{"read", socket_read},
                                       {"readline", socket_readline},
                                       {"read_any", socket_read_any},
                                       {"peek", socket_peek},
                                       {"unread", socket_unread},
                                       {"setmaxline", socket_setmaxline},
                                       {"lines", socket_lines},
                                       {"write", socket_write},
                                       {"writev", socket_writev},
                                       {"flush", socket_flush},
                                       {"setvbuf", socket_setvbuf},
                                       {"readable", socket_readable},
                                       {"writable", socket_writable},
                                       {"wait", socket_wait},
                                       {nullptr, nullptr}};
    luaL_setfuncs(L, methods, 0);
}

}  // namespace coir
