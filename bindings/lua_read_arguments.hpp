// lua_read_arguments.hpp: what a method that reads is asked for. All of these raise for other
// arguments.
#pragma once

#include "bindings/lua_socket.hpp"

namespace coir {

// What a read was asked for. The delimiters of a table are in memory that Lua owns, on L's stack.
struct ReadArguments {
    Socket::Request request;
    std::string_view one;  // the delimiter, when there is one
    int next = 2;          // the index of the argument that follows

    void set_delimiter(std::string_view delimiter) {
        one = delimiter;
        request.delimiters = {&one, 1};
    }
};
using TakeArguments = void (*)(lua_State* L, ReadArguments& arguments);
inline constexpr int most_arguments = 5;  // that a read looks at, the socket among them

// read([limit | delimiter | table][, timeout])
void take_read_arguments(lua_State* L, ReadArguments& arguments);

// readline([limit][, eols][, timeout])
void take_readline_arguments(lua_State* L, ReadArguments& arguments);

// A string that is not empty; otherwise raises `usage`.
std::string_view check_delimiter(lua_State* L, int index, const char* usage);

// A number of bytes.
std::size_t check_limit(lua_State* L, int index);

}  // namespace coir
