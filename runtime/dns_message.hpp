// dns_message.hpp: what a DNS server says (RFC 1035), in records.
//
// Every record becomes a name, a type, a time to live and a few named fields. Nothing that arrives is
// trusted: a message that ends early, or a name that is too long or points in circles, is refused.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace coir {

// The record types that are understood; the numbers are those of the DNS.
enum class DnsType : std::uint16_t {
    a = 1,
    ns = 2,
    cname = 5,
    soa = 6,
    ptr = 12,
    mx = 15,
    txt = 16,
    aaaa = 28,
    srv = 33,
    caa = 257,
};

// "A", "AAAA", …; any case. `type` is set only when true is returned.
bool dns_type_named(std::string_view name, DnsType& type);
const char* dns_type_name(DnsType type);

struct DnsField {
    const char* name;    // "address", "preference", …
    bool is_number;
    std::uint32_t number;
    std::string text;    // names have no final dot; addresses are the bytes of the network
};

struct DnsRecord {
    std::string name;
    DnsType type;
    std::uint32_t ttl;  // seconds
    std::vector<DnsField> fields;
};

struct DnsMessage {
    std::vector<DnsRecord> records;   // of the type that was asked for
    std::string canonical_name;       // where the aliases end
    std::uint32_t ttl = 0;            // how long this may be kept, in seconds; 0: not at all
};

// Reads the answer to the question for `type` at `name`, following aliases (CNAME). False: malformed.
bool parse_dns_message(std::span<const unsigned char> data, std::string_view name, DnsType type,
                       DnsMessage& message);

}  // namespace coir
