// hiredis_shim.c: so much of hiredis as clients_test.lua needs. Its calls block.
#include <hiredis/hiredis.h>
#include <lauxlib.h>
#include <lua.h>

// connect(host, port) -> connection
static int connect_to(lua_State* L) {
    redisContext* context = redisConnect(luaL_checkstring(L, 1), (int)luaL_checkinteger(L, 2));
    if (context == NULL) return luaL_error(L, "not enough memory");
    if (context->err != 0) {
        lua_pushstring(L, context->errstr);
        redisFree(context);
        return lua_error(L);
    }
    lua_pushlightuserdata(L, context);
    return 1;
}

static void push_reply(lua_State* L, const redisReply* reply) {
    if (reply->type == REDIS_REPLY_INTEGER) {
        lua_pushinteger(L, reply->integer);
    } else if (reply->type == REDIS_REPLY_ARRAY) {
        lua_createtable(L, (int)reply->elements, 0);
        for (size_t i = 0; i < reply->elements; ++i) {
            push_reply(L, reply->element[i]);
            lua_rawseti(L, -2, (lua_Integer)i + 1);
        }
    } else if (reply->type == REDIS_REPLY_NIL) {
        lua_pushboolean(L, 0);
    } else {
        lua_pushlstring(L, reply->str, reply->len);
    }
}

// call(connection, word...) -> what Redis answers
static int call(lua_State* L) {
    enum { most = 8 };
    redisContext* context = lua_touserdata(L, 1);
    const char* words[most];
    size_t sizes[most];
    int n = lua_gettop(L) - 1;
    luaL_argcheck(L, n <= most, n, "too many words");
    for (int i = 0; i < n; ++i) words[i] = luaL_checklstring(L, i + 2, &sizes[i]);
    redisReply* reply = redisCommandArgv(context, n, words, sizes);
    if (reply == NULL) return luaL_error(L, "%s", context->errstr);
    push_reply(L, reply);
    freeReplyObject(reply);
    return 1;
}

static int close_it(lua_State* L) {
    redisFree(lua_touserdata(L, 1));
    return 0;
}

int luaopen_hiredis_shim(lua_State* L);
int luaopen_hiredis_shim(lua_State* L) {
    const luaL_Reg functions[] = {
        {"connect", connect_to}, {"call", call}, {"close", close_it}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
