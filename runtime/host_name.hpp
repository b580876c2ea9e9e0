// host_name.hpp: what a name must look like to be looked up (RFC 1035, section 2.3.4; RFC 1123).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/resolv_conf.hpp"

namespace coir {

// Why `name` cannot be in the DNS; nullptr: it can. A final dot is allowed.
const char* problem_with_dns_name(std::string_view name);
// The same for the name of a host, which has letters, digits, hyphens and underscores only.
const char* problem_with_host_name(std::string_view name);

// The complete names to try for `name`, in this order: itself, and what the search list makes of
// it. Throws std::bad_alloc.
std::vector<std::string> complete_names(std::string_view name, const ResolvConf& conf);

// Text for a message: unprintable bytes as \ddd, cut when it is long. Throws std::bad_alloc.
std::string printable(std::string_view text);

}  // namespace coir
