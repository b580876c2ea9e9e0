// calls.c: single calls for Lua, for hooks_test.lua and names_test.lua.
#include "scenario.h"

// Pushes the result and, when it is negative, errno.
static int push_result(lua_State* L, long value) {
    int code = errno;
    lua_pushinteger(L, value);
    if (value >= 0) return 1;
    lua_pushinteger(L, code);
    return 2;
}

// pair() -> two descriptors
int pair(lua_State* L) {
    int fds[2];
    make_pair(SOCK_STREAM, fds);
    lua_pushinteger(L, fds[0]);
    lua_pushinteger(L, fds[1]);
    return 2;
}

// These are the C functions as they are; times are in milliseconds.
int lua_poll(lua_State* L) {
    struct pollfd entry = {(int)luaL_checkinteger(L, 1), POLLIN, 0};
    return push_result(L, poll(&entry, 1, (int)luaL_checkinteger(L, 2)));
}
int lua_select(lua_State* L) {
    int fd = (int)luaL_checkinteger(L, 1);
    fd_set set;
    FD_ZERO(&set);
    FD_SET(fd, &set);
    return push_result(L, select(fd + 1, &set, NULL, NULL, NULL));
}
int lua_recv(lua_State* L) {
    char data[64];
    ssize_t n = recv((int)luaL_checkinteger(L, 1), data, sizeof data, 0);
    if (n < 0) return push_result(L, n);
    lua_pushlstring(L, data, (size_t)n);
    return 1;
}
int lua_send(lua_State* L) {
    size_t size;
    const char* data = luaL_checklstring(L, 2, &size);
    return push_result(L, send((int)luaL_checkinteger(L, 1), data, size, 0));
}
int close_descriptor(lua_State* L) { return push_result(L, close((int)luaL_checkinteger(L, 1))); }
int lua_nanosleep(lua_State* L) {
    lua_Integer ms = luaL_checkinteger(L, 1);
    struct timespec time = {ms / 1000, ms % 1000 * 1000000}, rest = {0, 0};
    int value = nanosleep(&time, &rest);
    if (value == 0) return push_result(L, 0);
    push_result(L, value);
    lua_pushnumber(L, (double)rest.tv_sec + (double)rest.tv_nsec / 1e9);
    return 3;
}

// Sleeps as LuaSocket does: whatever ends a sleep, the rest is slept.
int stubborn_sleep(lua_State* L) {
    lua_Integer ms = luaL_checkinteger(L, 1);
    struct timespec time = {ms / 1000, ms % 1000 * 1000000}, rest = {0, 0};
    while (nanosleep(&time, &rest) != 0) time = rest;
    return 0;
}

// Waits as most libraries do: whatever interrupts it, it tries again. Returns the errno that
// stopped it.
int stubborn_poll(lua_State* L) {
    struct pollfd entry = {(int)luaL_checkinteger(L, 1), POLLIN, 0};
    int n;
    do {
        n = poll(&entry, 1, -1);
    } while (n < 0 && errno == EINTR);
    return push_result(L, n);
}

// The signal comes while C code runs, which then waits.
int signalled_poll(lua_State* L) {
    raise((int)luaL_checkinteger(L, 2));
    struct pollfd entry = {(int)luaL_checkinteger(L, 1), POLLIN, 0};
    return push_result(L, poll(&entry, 1, -1));
}

// Calls poll in a child of fork(). Returns the child's exit status: poll's result.
int poll_in_child(lua_State* L) {
    int fd = (int)luaL_checkinteger(L, 1), status = 0;
    pid_t child = fork();
    if (child == 0) {
        struct pollfd entry = {fd, POLLIN, 0};
        _exit(poll(&entry, 1, 20));
    }
    waitpid(child, &status, 0);
    lua_pushinteger(L, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    return 1;
}

// In a thread poll is the C library's: the calling thread waits for it.
static void* poll_in_thread_body(void* fd) {
    struct pollfd entry = {*(int*)fd, POLLIN, 0};
    *(int*)fd = poll(&entry, 1, 20);
    return NULL;
}
int poll_in_thread(lua_State* L) {
    pthread_t thread;
    int fd = (int)luaL_checkinteger(L, 1);
    if (pthread_create(&thread, NULL, poll_in_thread_body, &fd) != 0) abort();
    pthread_join(thread, NULL);
    lua_pushinteger(L, fd);
    return 1;
}

// Leaves no descriptor, or all again.
int limit_descriptors(lua_State* L) {
    static rlim_t usual;
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    if (usual == 0) usual = limit.rlim_cur;
    limit.rlim_cur = lua_toboolean(L, 1) ? 3 : usual;  // those below are in use
    return push_result(L, setrlimit(RLIMIT_NOFILE, &limit));
}

// Calls the Lua function while its own C frame is in the way.
int call_back(lua_State* L) {
    volatile char frame[1000] = "frame";
    lua_call(L, 0, 0);
    lua_pushboolean(L, frame[0] == 'f');
    return 1;
}

// lookup(host) -> rows, or EAI's number and errno
int lookup(lua_State* L) {
    char text[1024] = "";
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *list;
    int code = getaddrinfo(luaL_checkstring(L, 1), "80", &hints, &list), why = errno;
    if (code != 0) {
        lua_pushinteger(L, code);
        lua_pushinteger(L, code == EAI_SYSTEM ? why : 0);
        return 2;
    }
    show_rows(text, sizeof text, list);
    freeaddrinfo(list);
    lua_pushstring(L, text);
    return 1;
}

// host(name) -> address..., or h_errno
int host(lua_State* L) {
    struct hostent* entry = gethostbyname(luaL_checkstring(L, 1));
    if (entry == NULL) {
        lua_pushinteger(L, h_errno);
        return 1;
    }
    int n = 0;
    for (char** address = entry->h_addr_list; *address != NULL; ++address) {
        lua_pushstring(L, inet_ntoa(*(struct in_addr*)*address));
        ++n;
    }
    return n;
}
