// connect.hpp: a connection to the first of several addresses that answers (RFC 8305, Happy
// Eyeballs).
//
// The addresses are tried in their order, families by turns. An attempt that fails makes room for
// the next at once; one that says nothing does so after a while, and stays under way. The first
// connection that stands wins, and the others are closed. All of it happens in the calling fiber.
#pragma once

#include <span>
#include <string>

#include "runtime/endpoint.hpp"
#include "runtime/socket.hpp"

namespace coir {

struct ConnectOptions {
    Duration attempt_delay = std::chrono::milliseconds(250);  // RFC 8305, section 8
    Address local;           // where to connect from, if it has a family
    bool nodelay = false;    // TCP_NODELAY
    bool keepalive = false;  // SO_KEEPALIVE
};

// Connects `socket`, which must be closed, to one of `addresses`. On failure `why` says of each
// address what became of it, and the error is that of the last attempt. Suspends; a cancellation
// point. Errors: EINVAL without an address, ETIMEDOUT at `deadline`, ECANCELED, EINTR
// (interrupted), ENOMEM, and what socket(2), bind(2) and connect(2) report.
Error connect_any(Socket& socket, std::span<const Address> addresses, const ConnectOptions& options,
                  Deadline deadline, std::string& why);

// The same for the addresses that `endpoint` means. One deadline covers finding them, too. Further
// errors: those of find_addresses().
Error connect(Socket& socket, Resolver& resolver, const Endpoint& endpoint,
              const ConnectOptions& options, Deadline deadline, std::string& why);

}  // namespace coir
