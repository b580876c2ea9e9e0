#include "runtime/endpoint.hpp"

#include <algorithm>
#include <cctype>
#include <cstring>

namespace coir {

namespace {

constexpr std::size_t longest_shown = 200;

// Names of services have a letter (RFC 6335).
bool is_name(std::string_view text) {
    return std::any_of(text.begin(), text.end(),
                       [](unsigned char c) { return std::isalpha(c) != 0; });
}

Error fail(const Endpoint& endpoint, Error error, const std::string& detail, std::string& why) {
    why = text_of(endpoint) + ": " + detail + std::strerror(error.code());
    return error;
}

}  // namespace

std::string text_of(const Endpoint& endpoint) {
    auto cut = [](std::string_view text) {
        bool whole = text.size() <= longest_shown;
        return std::string(text.substr(0, longest_shown)) + (whole ? "" : "...");
    };
    return cut(endpoint.host) + ":" + cut(endpoint.service);
}

Error find_addresses(Resolver& resolver, const Endpoint& endpoint, Deadline deadline,
                     std::vector<Address>& found, std::string& why) {
    if (endpoint.host == "unix/") {
        Result<Address> address = Address::unix_path(endpoint.service);
        if (address) {
            found = {*address};
            return {};
        }
        bool too_long = address.error() == std::errc::no_buffer_space;
        std::string limit = std::to_string(Address::max_unix_path);
        return fail(endpoint, address.error(),
                    too_long ? "path is longer than " + limit + " bytes: " : "", why);
    }
    Result<std::uint16_t> port = parse_port(endpoint.service);
    bool possible = port ? *port != 0 || endpoint.passive : is_name(endpoint.service);
    if (!possible) return fail(endpoint, std::errc::invalid_argument, "no such port: ", why);
    if (port) {
        Result<Address> address = Address::inet(endpoint.family, endpoint.host, *port);
        if (address) {
            found = {*address};
            return {};
        }
    }
    int flags = endpoint.passive ? AI_PASSIVE : 0;
    Resolver::Answer answer = resolver.resolve(
        {endpoint.host, endpoint.service, endpoint.family, endpoint.type, 0, flags}, deadline);
    why = std::move(answer.message);
    for (const Resolver::Row& row : answer.rows) found.push_back(row.address);
    return answer.error;
}

}  // namespace coir
