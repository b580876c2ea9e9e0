// What becomes of code that yields from a fiber as if it were a coroutine.
#include <doctest/doctest.h>

#include <string>

#include "bindings/home.hpp"
#include "runtime/scheduler.hpp"

using namespace coir;

namespace {

int leave(lua_State* L) { return lua_yield(L, 0); }

// Runs `script` in a fiber, with leave(), which yields as C code does. Returns what it has left in
// `result`.
std::string result_of(const char* script, void (*open)(lua_State* L)) {
    Scheduler scheduler;
    lua_State* L = luaL_newstate();
    REQUIRE(L != nullptr);
    open_home(L, scheduler);
    open(L);
    luaL_requiref(L, "fiber", open_fiber, 1);
    lua_register(L, "leave", leave);
    std::string text = "fiber.new(function() " + std::string(script) + " end)";
    int status = luaL_dostring(L, text.c_str());
    CHECK_MESSAGE(status == LUA_OK, lua_tostring(L, -1));
    CHECK(scheduler.run() == Error());
    lua_getglobal(L, "result");
    const char* found = lua_tostring(L, -1);
    std::string result = found == nullptr ? "nothing" : found;
    lua_close(L);
    return result;
}

}  // namespace

TEST_CASE("C code that yields from a fiber ends it, and what is open is closed") {
    const char* script = R"(
        local closed
        local f = fiber.spawn(function()
          local _ <close> = setmetatable({}, { __close = function() closed = 'closed, ' end })
          leave()
        end)
        local ok, message = f:join()
        result = not ok and closed .. message .. f:traceback()
    )";
    std::string result = result_of(script, luaL_openlibs);
    CHECK(result.find("closed, attempt to yield from outside a coroutine"
                      "stack traceback:\n\t[C]: in function 'leave'\n") == 0);
}

TEST_CASE("an error that closing raises then is the one that is told") {
    const char* script = R"(
        local f = fiber.spawn(function()
          local _ <close> = setmetatable({}, { __close = function() error('closing', 0) end })
          leave()
        end)
        local ok, message = f:join()
        result = not ok and message
    )";
    CHECK(result_of(script, luaL_openlibs) == "closing");
}

TEST_CASE("a handler that C code yields from ends, and its connection is closed") {
    const char* script = R"(
        local socket = require 'coir.socket'
        local handler
        local server = socket.tcp_server('127.0.0.1', 0, function()
          handler = fiber.self()
          handler:set_joinable(true)
          leave()
        end)
        local s = socket.tcp_connect('127.0.0.1', server:name().port)
        result = s:read() .. select(2, handler:join())
        server:close()
    )";
    auto open_modules = [](lua_State* L) {
        luaL_openlibs(L);
        preload_modules(L, false);
    };
    CHECK(result_of(script, open_modules) == "attempt to yield from outside a coroutine");
}

TEST_CASE("C code may yield from a coroutine inside a fiber") {
    const char* script = R"(
        local step = coroutine.wrap(function() leave(); return 'gone on' end)
        step()
        result = step()
    )";
    CHECK(result_of(script, luaL_openlibs) == "gone on");
}

TEST_CASE("fibers need no library of coroutines") {
    const char* script = "fiber.sleep(0.001); result = 'slept'";
    auto open_base = [](lua_State* L) { luaL_requiref(L, LUA_GNAME, luaopen_base, 1); };
    CHECK(result_of(script, open_base) == "slept");
}
