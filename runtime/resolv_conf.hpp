// resolv_conf.hpp: how the DNS is asked, as resolv.conf(5) says it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/address.hpp"

namespace coir {

struct ResolvConf {
    std::vector<Address> servers;     // in the order in which they are asked; never empty
    std::vector<std::string> search;  // the domains that short names are looked for in
    int ndots = 1;                    // a name with this many dots is first tried as it is
    int timeout = 5;                  // seconds that the first attempt at a server takes
    int attempts = 2;                 // at each server
    bool rotate = false;
    bool use_tcp = false;
};

// Reads the text of the file. What the variables LOCALDOMAIN and RES_OPTIONS of the environment say
// comes before it. What is not understood is passed over, as the C library does. Throws
// std::bad_alloc.
ResolvConf parse_resolv_conf(std::string_view text);

// The address that "127.0.0.1", "127.0.0.1:5353", "::1" or "[::1]:5353" spells; the port is 53 when
// none is given. Error: EINVAL.
Result<Address> parse_server(std::string_view text);

}  // namespace coir
