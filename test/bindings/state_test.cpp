#include "bindings/state.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>

#include "test/runtime/process.hpp"

using namespace coir;
using namespace coir::test;

namespace {

void* allocate(void* count, void* block, std::size_t, std::size_t size) {
    ++*static_cast<int*>(count);
    if (size != 0) return std::realloc(block, size);
    std::free(block);
    return nullptr;
}

int allocations = 0;

lua_State* own_state() { return new_state(allocate, &allocations); }

void warn(lua_State* L) {
    for (const char* message :
         {"unheard", "@off", "@on", "heard", "@unknown", "@on", "@off", "."}) {
        lua_warning(L, message, 0);
        lua_warning(L, "in ", 1);
        lua_warning(L, message, 1);
        lua_warning(L, " pieces", 0);
        lua_warning(L, "@", 1);
        lua_warning(L, message, 0);
    }
}

void raise_text(lua_State* L) { luaL_error(L, "unprotected"); }

void raise_table(lua_State* L) {
    lua_newtable(L);
    lua_error(L);
}

// What a child that does `work` on a new state writes to stderr, and how it ends.
std::string outcome(lua_State* (*make)(), void (*work)(lua_State* L)) {
    int pipe[2];
    REQUIRE(::pipe(pipe) == 0);
    int status = in_child([&] {
        ::dup2(pipe[1], STDERR_FILENO);
        std::signal(SIGABRT, SIG_DFL);  // which doctest handles
        rlimit no_core{0, 0};
        ::setrlimit(RLIMIT_CORE, &no_core);
        work(make());
        return 0;
    });
    ::close(pipe[1]);
    std::string text;
    char bytes[4096];
    for (ssize_t n; (n = ::read(pipe[0], bytes, sizeof bytes)) > 0;) {
        text.append(bytes, static_cast<std::size_t>(n));
    }
    ::close(pipe[0]);
    return text + (WIFSIGNALED(status) ? "signal " : "status ") + std::to_string(status);
}

}  // namespace

TEST_CASE("a state with an allocator of one's own is otherwise that of luaL_newstate") {
    if (instrumented()) return;  // what it does when a process aborts differs
    CHECK(outcome(own_state, warn).starts_with("Lua warning: in @on pieces\n"));
    for (auto* work : {warn, raise_text, raise_table}) {
        CHECK(outcome(own_state, work) == outcome(luaL_newstate, work));
    }
    CHECK(outcome(own_state, raise_text).starts_with("PANIC: unprotected error in call to Lua"));
}

TEST_CASE("every byte of a state is its allocator's") {
    allocations = 0;
    lua_State* L = own_state();
    REQUIRE(L != nullptr);
    CHECK(allocations > 0);
    void* data = nullptr;
    CHECK((lua_getallocf(L, &data) == &allocate));
    CHECK(data == &allocations);
    lua_close(L);
}

TEST_CASE("without memory there is no state") {
    lua_Alloc none = [](void*, void*, std::size_t, std::size_t) -> void* { return nullptr; };
    CHECK(new_state(none, nullptr) == nullptr);
}
