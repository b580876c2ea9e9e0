// lua_channel.cpp: fiber.channel([capacity]): a queue of Lua values between fibers.
//
// Buffered values are in a ring of the table that is the channel's user value. A value for a fiber
// that waits goes straight from one Lua stack to the other: get() waits with nothing on its frame
// but the channel and finds the value on top, put() waits with its value at a known place in its
// frame.
#include <new>

#include "bindings/lua_sync.hpp"
#include "bindings/lua_wait.hpp"
#include "bindings/object.hpp"

namespace coir {

namespace {

constexpr const char* class_name = "channel";
constexpr int value_index = 2;  // of put(channel, value, timeout)
constexpr std::errc closed = std::errc::broken_pipe;

struct Channel {
    const void* mark = mark_of<Channel>();
    WaitList readers{"channel get"};
    WaitList writers{"channel put"};
    lua_Integer capacity = 0;
    lua_Integer count = 0;  // buffered values; the oldest is at `first`
    lua_Integer first = 0;
    bool is_closed = false;

    lua_Integer slot(lua_Integer i) const { return (first + i) % capacity + 1; }
};

Channel& check_channel(lua_State* L) { return check_object<Channel>(L, 1, class_name); }

Deadline check_wait(lua_State* L, int index) {
    if (!lua_isnoneornil(L, index) && luaL_checknumber(L, index) < 0) {
        luaL_argerror(L, index, "timeout is negative");
    }
    return opt_timeout(L, index);
}

// The frame in which the first fiber of `list` is parked.
lua_State* frame_of(WaitList& list) {
    return static_cast<LuaFiber&>(list.front()).waiting_thread();
}

int channel_new(lua_State* L) {
    lua_Number capacity = luaL_optnumber(L, 1, 0);
    luaL_argcheck(L, capacity >= 0 && capacity <= 1e9, 1, "capacity must be from 0 to 1e9");
    auto* channel = new (lua_newuserdatauv(L, sizeof(Channel), 1)) Channel;
    luaL_setmetatable(L, class_name);
    channel->capacity = static_cast<lua_Integer>(capacity);
    lua_newtable(L);
    lua_setiuservalue(L, -2, 1);
    return 1;
}

// `nil` or `false`, and why: "timeout" or "closed".
int push_outcome(lua_State* L, Error error) {
    if (error == closed) {
        lua_pushliteral(L, "closed");
    } else if (error == std::errc::timed_out) {
        lua_pushliteral(L, "timeout");
    } else {
        push_error_text(L, error);
    }
    return 2;
}

int put_ended(lua_State* L, Error error) {
    check_raise(L, error);
    lua_pushboolean(L, !error);
    return error ? push_outcome(L, error) : 1;
}

// The value is on top.
int get_ended(lua_State* L, Error error) {
    if (!error) return 1;
    check_raise(L, error);
    lua_pushnil(L);
    return push_outcome(L, error);
}

int channel_put(lua_State* L) {
    Channel& channel = check_channel(L);
    luaL_checkany(L, value_index);
    Deadline deadline = check_wait(L, 3);
    begin_wait(L);
    if (channel.is_closed) return put_ended(L, closed);
    if (!channel.readers.empty()) {
        lua_pushvalue(L, value_index);
        lua_xmove(L, frame_of(channel.readers), 1);
        scheduler_of(L).wake_one(channel.readers);
    } else if (channel.count < channel.capacity) {
        lua_getiuservalue(L, 1, 1);
        lua_pushvalue(L, value_index);
        lua_rawseti(L, -2, channel.slot(channel.count));
        ++channel.count;
    } else {
        return wait_on<put_ended>(L, channel.writers, deadline);
    }
    return put_ended(L, {});
}

// Pushes the value of the first writer that waits and lets it go on.
void take_from_writer(lua_State* L, Channel& channel) {
    lua_State* frame = frame_of(channel.writers);
    lua_pushvalue(frame, value_index);
    lua_xmove(frame, L, 1);
    scheduler_of(L).wake_one(channel.writers);
}

// Pushes the oldest buffered value; a writer that waits fills the slot that becomes free.
void take_from_buffer(lua_State* L, Channel& channel) {
    lua_getiuservalue(L, 1, 1);
    lua_Integer slot = channel.slot(0);
    lua_rawgeti(L, -1, slot);
    if (channel.writers.empty()) {
        lua_pushnil(L);
        --channel.count;
    } else {
        take_from_writer(L, channel);
    }
    lua_rawseti(L, -3, slot);
    channel.first = (channel.first + 1) % channel.capacity;
}

int channel_get(lua_State* L) {
    Channel& channel = check_channel(L);
    Deadline deadline = check_wait(L, 2);
    begin_wait(L);
    lua_settop(L, 1);
    if (channel.count > 0) {
        take_from_buffer(L, channel);
    } else if (!channel.writers.empty()) {
        take_from_writer(L, channel);
    } else if (channel.is_closed) {
        return get_ended(L, closed);
    } else {
        return wait_on<get_ended>(L, channel.readers, deadline);
    }
    return get_ended(L, {});
}

// Graceful: what is buffered can still be got.
int channel_close(lua_State* L) {
    Channel& channel = check_channel(L);
    channel.is_closed = true;
    scheduler_of(L).wake_all(channel.readers, closed);
    scheduler_of(L).wake_all(channel.writers, closed);
    return 0;
}

int channel_size(lua_State* L) {
    lua_pushinteger(L, check_channel(L).capacity);
    return 1;
}

int channel_count(lua_State* L) {
    lua_pushinteger(L, check_channel(L).count);
    return 1;
}

template <bool (*test)(const Channel&)>
int channel_test(lua_State* L) {
    lua_pushboolean(L, test(check_channel(L)));
    return 1;
}

bool is_full(const Channel& channel) { return channel.count >= channel.capacity; }
bool is_empty(const Channel& channel) { return channel.count == 0; }
bool has_readers(const Channel& channel) { return !channel.readers.empty(); }
bool has_writers(const Channel& channel) { return !channel.writers.empty(); }
bool is_closed(const Channel& channel) { return channel.is_closed; }

int channel_tostring(lua_State* L) {
    Channel& channel = check_channel(L);
    if (channel.is_closed) {
        lua_pushliteral(L, "channel: closed");
    } else {
        lua_pushfstring(L, "channel: %I", static_cast<LUAI_UACINT>(channel.count));
    }
    return 1;
}

}  // namespace

void open_channel(lua_State* L) {
    static const luaL_Reg methods[] = {{"put", channel_put},
                                       {"get", channel_get},
                                       {"close", channel_close},
                                       {"size", channel_size},
                                       {"count", channel_count},
                                       {"is_full", channel_test<is_full>},
                                       {"is_empty", channel_test<is_empty>},
                                       {"has_readers", channel_test<has_readers>},
                                       {"has_writers", channel_test<has_writers>},
                                       {"is_closed", channel_test<is_closed>},
                                       {"__tostring", channel_tostring},
                                       {nullptr, nullptr}};
    add_class(L, class_name, channel_new, methods);
}

}  // namespace coir
