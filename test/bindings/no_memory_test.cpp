// What happens to fibers when the allocator of their Lua state refuses, at every place it can.
#include <doctest/doctest.h>

#include <string>

#include "bindings/home.hpp"
#include "bindings/lua_heap.hpp"
#include "bindings/state.hpp"
#include "runtime/scheduler.hpp"

using namespace coir;

namespace {

// Grants so many requests for memory and refuses those that follow, until another limit is set.
struct Allocator {
    static constexpr long unlimited = -1;

    static void* allocate(void* self, void* block, std::size_t old_size, std::size_t size) {
        auto& own = *static_cast<Allocator*>(self);
        bool grows = size > (block == nullptr ? 0 : old_size);
        if (grows && own.left == 0) {
            own.refused = true;
            return nullptr;
        }
        if (grows && own.left > 0) --own.left;
        return LuaHeap::allocate(&own.heap, block, old_size, size);
    }

    LuaHeap heap;
    long left = unlimited;
    bool refused = false;
};

int set_limit(lua_State* L) {
    void* allocator = nullptr;
    lua_getallocf(L, &allocator);
    static_cast<Allocator*>(allocator)->left = luaL_optinteger(L, 1, Allocator::unlimited);
    return 0;
}

// Runs `script` in a fiber of a state of its own; `N` is the number of requests it is to grant with
// limit(N). Returns whether one was refused.
bool refuses(const char* script, int n) {
    Scheduler scheduler;
    Allocator allocator;
    lua_State* L = new_state(Allocator::allocate, &allocator);
    REQUIRE(L != nullptr);
    open_home(L, scheduler);
    luaL_openlibs(L);
    luaL_requiref(L, "fiber", open_fiber, 1);
    luaL_requiref(L, "socket", open_socket_core, 1);
    lua_register(L, "limit", set_limit);
    lua_pushinteger(L, n);
    lua_setglobal(L, "N");
    std::string text = "fiber.new(function() " + std::string(script) + " \n done = true end)";
    int status = luaL_dostring(L, text.c_str());
    CHECK_MESSAGE(status == LUA_OK, lua_tostring(L, -1));
    CHECK(scheduler.run() == Error());
    lua_getglobal(L, "done");
    CHECK(lua_toboolean(L, -1));
    lua_close(L);
    CHECK(allocator.heap.used() == 0);
    return allocator.refused;
}

// The script holds wherever memory runs out.
void check_everywhere(const char* script) {
    int n = 0;
    while (refuses(script, n) && n < 1000) ++n;
    CHECK(n > 0);
    CHECK(n < 1000);
}

}  // namespace

TEST_CASE("without memory the error that ends a fiber is not lost") {
    check_everywhere(R"(
        local failure = {}
        local f = fiber.new(function()
          pcall(pcall, pcall, error, failure)  -- the call of error() itself needs no more memory
          limit(N)
          error(failure)
        end)
        f:set_joinable(true)
        fiber.yield()
        limit()
        local ok, err = f:join()
        assert(not ok and err == failure, tostring(err)))");
}

TEST_CASE("without memory the results of a fiber are there or its join says so") {
    check_everywhere(R"(
        local values = { 1, {}, 3 }
        local f = fiber.new(function() limit(N) return table.unpack(values) end)
        f:set_joinable(true)
        fiber.yield()
        limit()
        local got = table.pack(f:join())
        local all = got[1] and got.n == 4 and got[3] == values[2]
        assert(all or not got[1] and got[2] == 'not enough memory', tostring(got[2])))");
}

TEST_CASE("without memory a fiber is not made, and a later one is") {
    check_everywhere(R"(
        local ran = 0
        local function count() ran = ran + 1 end
        local crowd = {}
        for i = 1, 70 do crowd[i] = fiber.new(count) end  -- more than Lua threads are kept for
        limit(N)
        local ok, made = pcall(fiber.new, count)
        limit()
        assert(ok or made == 'not enough memory', made)
        fiber.yield()
        fiber.new(count)
        fiber.yield()
        assert(ran == 71 + (ok and 1 or 0), ran))");
}

TEST_CASE("without memory what a socket has received is not lost") {
    check_everywhere(R"(
        local a, b = socket.socketpair('AF_UNIX', 'SOCK_STREAM', 0)
        local line = ('x'):rep(100) .. '\n'
        b:write(line .. line .. line)
        for _, how in ipairs { 'sysread', 'readline', 'read_any' } do
          limit(N)
          local ok, data = pcall(a[how], a, 101)
          limit()
          assert(ok or data == 'not enough memory', data)
          if not ok then data = a[how](a, 101) end
          assert(data == line, how)
        end)");
}

TEST_CASE("without memory a connection is served or closed, and the server goes on") {
    check_everywhere(R"(
        local server = socket.tcp_server('127.0.0.1', 0, function(s, from) s:write(s:readline()) end)
        fiber.yield()  -- it waits for connections
        local function ask()
          local s <close> = socket('AF_INET', 'SOCK_STREAM', 'tcp')
          local port = server:name().port
          limit(N)
          pcall(s.sysconnect, s, '127.0.0.1', port)
          fiber.yield()
          limit()
          if not s:peer() then return '' end
          s:write('x\n')
          return s:readline(nil, 10)
        end
        local line, message = ask()
        assert(line == 'x\n' or line == '' or message == 'Connection reset by peer', message)
        N = nil
        assert(ask() == 'x\n')
        server:close())");
}
