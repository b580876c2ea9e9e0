// datagram.hpp: datagrams with both of their addresses.
//
// A socket that is bound to every address of its machine is told which one a datagram was sent to,
// so that the answer can come from there: whoever asked expects it from nobody else.
#pragma once

#include <span>
#include <string_view>

#include "runtime/socket.hpp"

namespace coir {

struct Arrival {
    Address from;
    Address to;  // the address of this machine, without a port; no family where the system does not
                 // tell
};

// Makes the system tell of every datagram where it was sent to.
Error tell_destinations(const Socket& socket);

// One recvmsg(2). Suspends; a cancellation point. Errors: EBADF, ECANCELED, EINTR (interrupted),
// what recvmsg(2) reports.
Result<std::string_view> receive_datagram(Socket& socket, std::span<char> room, Arrival& arrival);

// One sendmsg(2) to where the datagram came from, from where it was sent to. Waiting and errors as
// Socket::send().
Result<std::size_t> answer_datagram(Socket& socket, std::string_view data, int flags,
                                    const Arrival& arrival, Deadline deadline);

}  // namespace coir
