#include "bindings/report.hpp"

#include <charconv>
#include <cstring>

#include "bindings/lua_fiber.hpp"
#include "runtime/stack_overflow.hpp"

namespace coir {

namespace {

struct Output {
    std::FILE* file;
    bool with_traceback;
};

void print_fiber(lua_State* L, LuaFiber& fiber, const Output& output) {
    int top = lua_gettop(L);
    Fiber::NameRoom room;
    std::string_view name = fiber.shown_name(room);
    std::fprintf(output.file, "fiber %llu (%.*s)", static_cast<unsigned long long>(fiber.id()),
                 static_cast<int>(name.size()), name.data());
    if (fiber.waiting_on() != nullptr) {
        push_waiting(L, fiber);
        std::fprintf(output.file, " waits: %s", lua_tostring(L, -1));
    }
    if (output.with_traceback) {
        push_fiber(L, fiber);
        push_traceback(L, -1);
        std::fprintf(output.file, "\n%s", lua_tostring(L, -1));
    }
    std::fputc('\n', output.file);
    lua_settop(L, top);
}

int print_all(lua_State* L) {
    const Output& output = *static_cast<const Output*>(lua_touserdata(L, 1));
    Scheduler& scheduler = scheduler_of(L);
    scheduler.for_each_fiber([&](Fiber& fiber) {
        if (fiber.owner == &home_of(L)) print_fiber(L, static_cast<LuaFiber&>(fiber), output);
    });
    return 0;
}

// On the service thread: the main one is in the middle of something.
void print(lua_State* L, Output output) {
    lua_State* service = home_of(L).service;
    lua_pushcfunction(service, print_all);
    lua_pushlightuserdata(service, &output);
    if (lua_pcall(service, 1, 0, 0) != LUA_OK) lua_pop(service, 1);
    std::fflush(output.file);
}

}  // namespace

void print_fibers(lua_State* L, std::FILE* file) { print(L, {file, true}); }
void name_fibers(lua_State* L, std::FILE* file) { print(L, {file, false}); }

void describe_overflow(const Fiber& fiber) {
    constexpr int deepest = 30;
    if (fiber.owner == nullptr) return;  // none of Lua's
    lua_State* L = static_cast<const LuaFiber&>(fiber).thread();
    if (L == nullptr) return;
    write_stderr("stack traceback:\n");
    lua_Debug frame;
    for (int level = 0; level < deepest && lua_getstack(L, level, &frame); ++level) {
        if (!lua_getinfo(L, "Sl", &frame)) return;
        char digits[16];
        auto [end, error] = std::to_chars(digits, digits + sizeof digits, frame.currentline);
        write_stderr("\t");
        write_stderr(frame.short_src);
        if (frame.currentline > 0) {
            write_stderr(":");
            write_stderr({digits, static_cast<std::size_t>(end - digits)});
        }
        write_stderr("\n");
    }
}

}  // namespace coir
