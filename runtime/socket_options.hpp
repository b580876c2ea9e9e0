// socket_options.hpp: every socket option that has a name here, in one table.
#pragma once

#include <span>
#include <string_view>

namespace coir {

struct SocketOption {
    enum class Type {
        integer,
        text,         // a name, such as a device's
        seconds,      // a timeout that coir keeps itself: the descriptor never blocks
        linger,       // has a method of its own
        credentials,  // struct ucred
        tcp_info,     // struct tcp_info
        membership4,  // struct ip_mreqn: group and interface
        membership6,  // struct ipv6_mreq
        interface4,   // an interface's address or index
        ignored,      // accepted, without effect
    };
    enum class Access { read, write, both };

    std::string_view name;
    int level;
    int number;
    Type type;
    Access access;
};

// The option `name` of `level`, or nullptr.
const SocketOption* find_socket_option(int level, std::string_view name);
const SocketOption* find_socket_option(int level, int number);

std::span<const SocketOption> socket_options();

}  // namespace coir
