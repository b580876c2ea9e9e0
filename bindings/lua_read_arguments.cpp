#include "bindings/lua_read_arguments.hpp"

namespace coir {

std::string_view check_delimiter(lua_State* L, int index, const char* usage) {
    std::string_view text;
    if (lua_type(L, index) == LUA_TSTRING) text = to_view(L, index);
    if (text.empty()) luaL_error(L, "%s", usage);
    return text;
}

std::size_t check_limit(lua_State* L, int index) {
    lua_Integer limit = luaL_checkinteger(L, index);
    if (limit < 0) luaL_error(L, "size is negative: %I", static_cast<LUAI_UACINT>(limit));
    return static_cast<std::size_t>(limit);
}

namespace {

constexpr const char* read_usage =
    "Usage: s:read(delimiter|chunk|{delimiter = x, chunk = x}, timeout)";

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

}  // namespace

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

}  // namespace coir
