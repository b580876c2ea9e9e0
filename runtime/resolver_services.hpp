// resolver_services.hpp: the half of getaddrinfo(3) that is about ports and kinds of sockets.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/host_files.hpp"

namespace coir {

struct Service {
    int type;      // SOCK_*
    int protocol;  // IPPROTO_*
    std::uint16_t port;
};

// The kinds of sockets that `type` and `protocol` (0: any) leave, each with the port that
// `service`, a number or a name, has there. None: `problem` says why. Throws std::bad_alloc.
std::vector<Service> find_services(ServicesFile& file, std::string_view service, bool numeric,
                                   int type, int protocol, std::string& problem);

}  // namespace coir
