// endpoint.hpp: the addresses that a host and a service mean.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/resolver.hpp"

namespace coir {

// What somebody connects to or listens on.
struct Endpoint {
    std::string_view host;     // a numeric address, a name, or "unix/"
    std::string_view service;  // a port, the name of a service, or the path of a Unix socket
    int type = SOCK_STREAM;
    int family = AF_UNSPEC;
    // To listen on: port 0 is one, and no host means every address of this machine.
    bool passive = false;
};

// "host:service", cut where it gets long: for messages.
std::string text_of(const Endpoint& endpoint);

// Finds the addresses of `endpoint`, at least one, the one to try first first. Waits for names
// only. On failure `why` says what was looked for and what was wrong. Errors: EINVAL for a port
// that is none, ENOBUFS for too long a path, those of Resolver::resolve().
Error find_addresses(Resolver& resolver, const Endpoint& endpoint, Deadline deadline,
                     std::vector<Address>& found, std::string& why);

}  // namespace coir
