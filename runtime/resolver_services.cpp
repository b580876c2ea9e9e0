#include "runtime/resolver_services.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <optional>

namespace coir {

namespace {

// In the order of the C library's answers.
struct Kind {
    int type;
    int protocol;
    const char* name;  // in the services file; null: it has no ports
    bool by_default;   // also when neither type nor protocol was asked for
};

constexpr Kind kinds[] = {
    {SOCK_STREAM, IPPROTO_TCP, "tcp", true},
    {SOCK_DGRAM, IPPROTO_UDP, "udp", true},
#ifdef SOCK_DCCP
    {SOCK_DCCP, IPPROTO_DCCP, "dccp", false},
    {SOCK_DGRAM, IPPROTO_UDPLITE, "udplite", false},
#endif
    {SOCK_STREAM, IPPROTO_SCTP, "sctp", false},
    {SOCK_SEQPACKET, IPPROTO_SCTP, "sctp", false},
    {SOCK_RAW, 0, nullptr, true},
};

// Whether it is meant to be a number, good or not.
bool looks_numeric(std::string_view service) {
    if (service.starts_with('-') || service.starts_with('+')) service.remove_prefix(1);
    return !service.empty() && service.find_first_not_of("0123456789") == std::string_view::npos;
}

bool fits(const Kind& kind, int type, int protocol) {
    bool any_protocol = protocol == 0 || kind.name == nullptr;
    return (type == 0 || kind.type == type) && (any_protocol || kind.protocol == protocol);
}

}  // namespace

std::vector<Service> find_services(ServicesFile& file, std::string_view service, bool numeric,
                                   int type, int protocol, std::string& problem) {
    std::optional<std::uint16_t> port;
    if (service.empty()) port = 0;
    if (looks_numeric(service)) {
        Result<std::uint16_t> number = parse_port(service);
        if (!number) {
            problem = "a port is a number from 0 to 65535";
            return {};
        }
        port = *number;
    } else if (numeric && !service.empty()) {
        problem = "the port is not a number";
        return {};
    }
    std::vector<Service> services;
    bool asked = type != 0 || protocol != 0;
    bool known = false;
    for (const Kind& kind : kinds) {
        if (!fits(kind, type, protocol)) continue;
        if (port && !asked && !kind.by_default) continue;
        bool first = !known;
        known = true;
        if (asked && !first) break;  // the first kind is the one that is meant
        std::optional<std::uint16_t> here = port;
        if (asked && kind.name == nullptr && !service.empty()) {
            problem = "such sockets have no ports";
            return {};
        }
        if (!here && kind.name != nullptr) here = file.find(service, kind.name);
        if (!here) continue;
        services.push_back({kind.type, kind.name == nullptr ? protocol : kind.protocol, *here});
    }
    if (services.empty()) problem = known ? "unknown service" : "no such kind of socket";
    return services;
}

}  // namespace coir
