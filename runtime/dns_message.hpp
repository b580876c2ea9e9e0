// dns_message.hpp: what a DNS server says (RFC 1035), in records.
//
// Every record becomes a name, a type, a time to live and a few named fields. Nothing that arrives
// is trusted: a message that ends early, or a name that is too long or points in circles, is
// refused, and records that have nothing to do with the question are passed over.
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

// Sets `type` to the one called "A", "AAAA", …, in any case; false: there is none of this name.
bool dns_type_named(std::string_view name, DnsType& type);
const char* dns_type_name(DnsType type);

struct DnsField {
    const char* name;  // "address", "preference", …; lives for ever
    bool is_number;
    std::uint32_t number;
    std::string text;  // names without a final dot
};

struct DnsRecord {
    std::string name;
    DnsType type;
    std::uint32_t ttl;  // seconds
    std::vector<DnsField> fields;
};

struct DnsMessage {
    std::vector<DnsRecord> records;  // of the type that was asked for
    std::string canonical_name;      // where the aliases (CNAME) end
    std::uint32_t ttl = 0;           // for how many seconds this may be kept; 0: not at all
};

// Reads the answer to the question for `type` at `name`. False: malformed. Throws std::bad_alloc.
bool parse_dns_message(std::span<const unsigned char> data, std::string_view name, DnsType type,
                       DnsMessage& message);

// The letters of ASCII are the same in either case (RFC 4343).
bool same_name(std::string_view left, std::string_view right);
std::string lower_case(std::string_view name);

}  // namespace coir
