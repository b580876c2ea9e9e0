// What the end of a Lua state does with fibers that have not ended.
#include <doctest/doctest.h>

#include "bindings/home.hpp"
#include "bindings/lua_heap.hpp"
#include "bindings/state.hpp"
#include "runtime/scheduler.hpp"
#include "test/runtime/process.hpp"

using namespace coir;
using namespace coir::test;

namespace {

// What the handlers of tcp_server() leave has no finalizer of its own.
const char* const endless_server = R"(
    fiber.new(function()
      local server = socket.tcp_server('127.0.0.1', 0, function(s)
        s:unread('read and not taken')
        begun = (begun or 0) + 1
        s:readline { 'a delimiter that is longer than short strings', 'and another one' }
      end)
      for _ = 1, 3 do
        local s = socket('AF_INET', 'SOCK_STREAM', 'tcp')
        s:sysconnect('127.0.0.1', server:name().port)
      end
    end))";

// 0, or what is wrong. The process has to end after it, since the fibers are never destroyed.
int close_with_fibers() {
    auto& scheduler = *new Scheduler;
    auto& heap = *new LuaHeap;
    std::size_t before = open_descriptors();
    lua_State* L = new_state(LuaHeap::allocate, &heap);
    open_home(L, scheduler);
    luaL_openlibs(L);
    luaL_requiref(L, "fiber", open_fiber, 1);
    luaL_requiref(L, "socket", open_socket_core, 1);
    if (luaL_dostring(L, endless_server) != LUA_OK) return 1;
    do {
        if (scheduler.run_once()) return 2;
        lua_getglobal(L, "begun");
    } while (lua_tointeger(L, -1) < 3);
    if (open_descriptors() < before + 3) return 3;
    lua_close(L);
    if (open_descriptors() != before) return 4;
    return heap.used() == 0 ? 0 : 5;
}

}  // namespace

TEST_CASE("a state that is closed closes the connections of handlers that never end") {
    CHECK(exited_well(in_child(close_with_fibers)));
}
