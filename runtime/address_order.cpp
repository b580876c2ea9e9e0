#include "runtime/address_order.hpp"

#include <ifaddrs.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>
#include <tuple>

namespace coir {

namespace {

using Interfaces = std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)>;

Interfaces list_interfaces() {
    ifaddrs* first = nullptr;
    if (::getifaddrs(&first) < 0) first = nullptr;
    return {first, &::freeifaddrs};
}

// -- Properties of an address ---------------------------------------------------------------------

// As 16 bytes; IPv4 addresses are mapped.
struct Bytes {
    unsigned char data[16] = {};
};

Bytes bytes_of(const sockaddr* address) {
    Bytes bytes;
    if (address->sa_family == AF_INET6) {
        std::memcpy(bytes.data, &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr, 16);
    } else {
        bytes.data[10] = bytes.data[11] = 0xff;
        std::memcpy(bytes.data + 12, &reinterpret_cast<const sockaddr_in*>(address)->sin_addr, 4);
    }
    return bytes;
}

int common_prefix(const Bytes& left, const Bytes& right) {
    int bits = 0;
    for (int i = 0; i < 16; ++i, bits += 8) {
        auto difference = static_cast<unsigned char>(left.data[i] ^ right.data[i]);
        if (difference != 0) return bits + std::countl_zero(difference);
    }
    return bits;
}

struct Policy {
    Bytes prefix;
    int length;
    int precedence;
    int label;
};

// The table of RFC 6724, section 2.1, the longest prefixes first.
constexpr Policy policies[] = {
    {{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}}, 128, 50, 0},  // ::1, the loopback
    {{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}}, 96, 35, 4},         // IPv4
    {{{}}, 96, 1, 3},                                                  // IPv4-compatible
    {{{0x20, 0x01}}, 32, 5, 5},                                        // Teredo
    {{{0x20, 0x02}}, 16, 30, 2},                                       // 6to4
    {{{0x3f, 0xfe}}, 16, 1, 12},                                       // 6bone
    {{{0xfe, 0xc0}}, 10, 1, 11},                                       // site-local
    {{{0xfc}}, 7, 3, 13},                                              // unique local
    {{{}}, 0, 40, 1},
};

const Policy& policy_of(const Bytes& bytes) {
    const Policy* policy = policies;
    while (common_prefix(policy->prefix, bytes) < policy->length) ++policy;
    return *policy;
}

bool is_v4(const Bytes& bytes) { return &policy_of(bytes) == &policies[1]; }

bool is_loopback(const Bytes& bytes) {
    return is_v4(bytes) ? bytes.data[12] == 127 : &policy_of(bytes) == &policies[0];
}

// RFC 6724, section 3.1 and 3.2; the numbers are those of multicast scopes.
int scope_of(const Bytes& bytes) {
    constexpr int link_local = 2;
    constexpr int site_local = 5;
    constexpr int global = 14;
    const unsigned char* data = bytes.data;
    if (is_loopback(bytes)) return link_local;
    if (is_v4(bytes)) return data[12] == 169 && data[13] == 254 ? link_local : global;
    if (data[0] == 0xff) return data[1] & 0x0f;
    if (data[0] == 0xfe && (data[1] & 0xc0) == 0x80) return link_local;
    if (data[0] == 0xfe && (data[1] & 0xc0) == 0xc0) return site_local;
    return global;
}

// -- Sources --------------------------------------------------------------------------------------

// The address that the kernel would send from; false: it knows no way there.
bool find_source(const Address& destination, Address& source) {
    int fd = ::socket(destination.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return false;
    bool found = ::connect(fd, destination.data(), destination.size()) == 0 &&
                 ::getsockname(fd, source.room(), source.room_size()) == 0;
    ::close(fd);
    return found;
}

// The length of the network's prefix that the interface with this address has; 128: unknown.
int network_prefix(const Interfaces& interfaces, const Bytes& source) {
    for (const ifaddrs* at = interfaces.get(); at != nullptr; at = at->ifa_next) {
        if (at->ifa_addr == nullptr || at->ifa_netmask == nullptr) continue;
        if (at->ifa_addr->sa_family != AF_INET) continue;
        if (common_prefix(bytes_of(at->ifa_addr), source) < 128) continue;
        constexpr Bytes ones{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255}};
        sockaddr_in mask = *reinterpret_cast<const sockaddr_in*>(at->ifa_netmask);
        mask.sin_family = AF_INET;  // some systems leave it out
        return common_prefix(bytes_of(reinterpret_cast<const sockaddr*>(&mask)), ones);
    }
    return 128;
}

// Where an address stands; the greatest comes first.
using Rank = std::tuple<bool, bool, bool, int, int, int>;

Rank rank_of(const Address& address, const Interfaces& interfaces) {
    Bytes to = bytes_of(address.data());
    int precedence = policy_of(to).precedence;
    int scope = scope_of(to);
    Address source;
    if (!find_source(address, source)) return {false, false, false, precedence, -scope, 0};
    Bytes from = bytes_of(source.data());
    int prefix = common_prefix(to, from);
    // Outside of a network the common prefix of two IPv4 addresses means nothing.
    if (address.family() == AF_INET && prefix < network_prefix(interfaces, from)) prefix = 0;
    return {true,
            scope == scope_of(from),
            policy_of(to).label == policy_of(from).label,
            precedence,
            -scope,
            prefix};
}

}  // namespace

void sort_addresses(std::vector<Address>& addresses) {
    if (addresses.size() < 2) return;
    struct Ranked {
        Rank rank;
        Address address;
    };
    Interfaces interfaces = list_interfaces();
    std::vector<Ranked> ranked;
    ranked.reserve(addresses.size());
    for (const Address& address : addresses)
        ranked.push_back({rank_of(address, interfaces), address});
    std::stable_sort(ranked.begin(), ranked.end(),
                     [](const Ranked& a, const Ranked& b) { return a.rank > b.rank; });
    for (std::size_t i = 0; i < ranked.size(); ++i) addresses[i] = ranked[i].address;
}

Families configured_families() {
    Interfaces interfaces = list_interfaces();
    if (interfaces == nullptr) return {};
    Families families{false, false};
    for (const ifaddrs* at = interfaces.get(); at != nullptr; at = at->ifa_next) {
        if (at->ifa_addr == nullptr) continue;
        int family = at->ifa_addr->sa_family;
        if ((family != AF_INET && family != AF_INET6) || is_loopback(bytes_of(at->ifa_addr))) {
            continue;
        }
        (family == AF_INET ? families.v4 : families.v6) = true;
    }
    if (!families.v4 && !families.v6) return {};
    return families;
}

}  // namespace coir
