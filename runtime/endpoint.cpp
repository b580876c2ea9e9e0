#include "runtime/endpoint.hpp"

#include <cstring>
#include <string>

namespace coir {

namespace {

constexpr std::size_t longest_shown = 200;

bool is_number(std::string_view text) {
    return text.find_first_not_of("+-0123456789") == std::string_view::npos;
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

Error find_addresses(const Endpoint& endpoint, std::vector<Address>& found, std::string& why) {
    if (endpoint.host == "unix/") {
        Result<Address> address = Address::unix_path(endpoint.service);
        if (address) {
            found = {*address};
            return {};
        }
        bool too_long = address.error() == std::errc::no_buffer_space;
        std::string limit = std::to_string(Address::max_unix_path);
        return fail(endpoint, address.error(), too_long ? "path is longer than " + limit + " bytes: " : "",
                    why);
    }
    Result<std::uint16_t> port = parse_port(endpoint.service);
    bool possible = port ? *port != 0 || endpoint.passive : !is_number(endpoint.service);
    if (!possible) return fail(endpoint, std::errc::invalid_argument, "no such port: ", why);
    if (port) {
        Result<Address> address = Address::inet(endpoint.family, endpoint.host, *port);
        if (address) {
            found = {*address};
            return {};
        }
    }
    return fail(endpoint, Error(EIO), "names are not resolved: ", why);
}

}  // namespace coir
