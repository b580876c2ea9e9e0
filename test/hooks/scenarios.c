// scenarios.c: a C library that waits in every way, as a module of Lua.
#include "scenario.h"

#define SCENARIO(name) \
    { #name, name }
static const struct {
    const char* name;
    void (*run)(void);
} scenarios[] = {
    SCENARIO(poll_times_out),
    SCENARIO(poll_sees_input),
    SCENARIO(poll_sees_the_end),
    SCENARIO(poll_many),
    SCENARIO(poll_urgent),
    SCENARIO(ppoll_with_a_mask),
    SCENARIO(select_waits),
    SCENARIO(sleeps),
    SCENARIO(receive_unix),
    SCENARIO(receive_tcp),
    SCENARIO(receive_records),
    SCENARIO(receive_with_flags),
    SCENARIO(receive_with_timeout),
    SCENARIO(receive_datagrams),
    SCENARIO(receive_descriptor),
    SCENARIO(send_unix),
    SCENARIO(send_tcp),
    SCENARIO(send_to_the_leaving),
    SCENARIO(send_with_timeout),
    SCENARIO(send_datagrams),
    SCENARIO(connects),
    SCENARIO(connect_waits_for_room),
    SCENARIO(accepts),
    SCENARIO(others),
    SCENARIO(names_without_servers),
};
enum { count = sizeof scenarios / sizeof *scenarios };

// names() -> a list of the scenarios
static int names(lua_State* L) {
    lua_newtable(L);
    for (int i = 0; i < count; ++i) {
        lua_pushstring(L, scenarios[i].name);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

// run(name) -> what its calls returned. One at a time.
static int run(lua_State* L) {
    const char* name = luaL_checkstring(L, 1);
    begin_transcript();
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < count; ++i) {
        if (strcmp(scenarios[i].name, name) == 0) scenarios[i].run();
    }
    size_t size;
    const char* text = transcript_text(&size);
    lua_pushlstring(L, text, size);
    return 1;
}

int luaopen_scenarios(lua_State* L);
int luaopen_scenarios(lua_State* L) {
    const luaL_Reg functions[] = {{"names", names},
                                  {"run", run},
                                  {"pair", pair},
                                  {"poll", lua_poll},
                                  {"select", lua_select},
                                  {"recv", lua_recv},
                                  {"send", lua_send},
                                  {"close", close_descriptor},
                                  {"nanosleep", lua_nanosleep},
                                  {"stubborn_sleep", stubborn_sleep},
                                  {"stubborn_poll", stubborn_poll},
                                  {"signalled_poll", signalled_poll},
                                  {"poll_in_child", poll_in_child},
                                  {"poll_in_thread", poll_in_thread},
                                  {"limit_descriptors", limit_descriptors},
                                  {"lookup", lookup},
                                  {"host", host},
                                  {"call_back", call_back},
                                  {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
