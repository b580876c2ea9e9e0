// lua_line.c: what Lua alone takes for a line of `line-pipelined`: the loop of peers/coir/line.lua
// over a userdata whose readline() only makes a string, and whose write() only measures one. There
// are no sockets. Prints the CPU time of a line in nanoseconds, the median of seven measurements.
#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { line_size = 64, lines = 5000000, measurements = 7, collector_growth = 50 };

static const char loop[] =
    "local client = ...\n"
    "repeat\n"
    "  local line = client:readline()\n"
    "until not line or line == '' or not client:write(line)\n";

static char line[line_size];
static long left;

static int client_readline(lua_State* L) {
    if (--left == 0) return 0;
    lua_pushlstring(L, line, line_size);
    return 1;
}

static int client_write(lua_State* L) {
    size_t size;
    lua_tolstring(L, 2, &size);
    lua_pushinteger(L, (lua_Integer)size);
    return 1;
}

static void push_client(lua_State* L) {
    static const luaL_Reg methods[] = {
        {"readline", client_readline}, {"write", client_write}, {NULL, NULL}};
    lua_newuserdatauv(L, 1, 0);
    lua_createtable(L, 0, 1);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
}

static double cpu_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return 1e9 * (double)now.tv_sec + (double)now.tv_nsec;
}

static double measure(lua_State* L) {
    left = lines;
    lua_pushvalue(L, 1);
    push_client(L);
    double begin = cpu_ns();
    lua_call(L, 1, 0);
    return (cpu_ns() - begin) / lines;
}

static int compare(const void* a, const void* b) {
    double x = *(const double*)a, y = *(const double*)b;
    return (x > y) - (x < y);
}

int main(void) {
    lua_State* L = luaL_newstate();
    if (L == NULL || luaL_loadstring(L, loop) != LUA_OK) return 1;
    lua_gc(L, LUA_GCGEN, collector_growth, 0);  // as coir's
    memset(line, 'x', sizeof line);
    line[line_size - 1] = '\n';
    double costs[measurements];
    for (int i = 0; i < measurements; ++i) costs[i] = measure(L);
    qsort(costs, measurements, sizeof costs[0], compare);
    printf("%.1f\n", costs[measurements / 2]);
    lua_close(L);
    return 0;
}
