#include "runtime/dns_message.hpp"

#include <ares.h>
#include <arpa/inet.h>

#include <algorithm>

namespace coir {

namespace {

constexpr int aliases_limit = 16;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// What the data of a record consists of, in this order.
enum class Part { none, u8, u16, u32, name, ipv4, ipv6, string, strings, rest };

struct Layout {
    DnsType type;
    const char* type_name;
    struct {
        const char* name;
        Part part;
    } fields[7];
};

// clang-format off
constexpr Layout layouts[] = {
    {DnsType::a, "A", {{"address", Part::ipv4}}},
    {DnsType::ns, "NS", {{"target", Part::name}}},
    {DnsType::cname, "CNAME", {{"target", Part::name}}},
    {DnsType::soa, "SOA", {{"mname", Part::name}, {"rname", Part::name}, {"serial", Part::u32},
                           {"refresh", Part::u32}, {"retry", Part::u32}, {"expire", Part::u32},
                           {"minimum", Part::u32}}},
    {DnsType::ptr, "PTR", {{"target", Part::name}}},
    {DnsType::mx, "MX", {{"preference", Part::u16}, {"exchange", Part::name}}},
    {DnsType::txt, "TXT", {{"text", Part::strings}}},
    {DnsType::aaaa, "AAAA", {{"address", Part::ipv6}}},
    {DnsType::srv, "SRV", {{"priority", Part::u16}, {"weight", Part::u16}, {"port", Part::u16},
                           {"target", Part::name}}},
    {DnsType::caa, "CAA", {{"flags", Part::u8}, {"tag", Part::string}, {"value", Part::rest}}},
};
// clang-format on

const Layout* layout_of(std::uint16_t type) {
    for (const Layout& layout : layouts) {
        if (static_cast<std::uint16_t>(layout.type) == type) return &layout;
    }
    return nullptr;
}

// Reads forward through a message; once something does not fit, good() is false and all is empty.
class Reader {
public:
    explicit Reader(std::span<const unsigned char> data) : data_(data), end_(data.size()) {}

    bool good() const { return good_; }
    std::size_t place() const { return place_; }

    // From here on, up to the end of a record's data.
    Reader part(std::size_t size) {
        Reader inner = *this;
        (void)bytes(size);
        inner.good_ = good_;
        inner.end_ = good_ ? place_ : inner.place_;
        return inner;
    }

    std::uint32_t number(std::size_t size) {
        std::uint32_t value = 0;
        for (char c : bytes(size)) value = value << 8 | static_cast<unsigned char>(c);
        return value;
    }

    std::string_view bytes(std::size_t size) {
        good_ = good_ && size <= end_ - place_;
        if (!good_) return {};
        const char* start = reinterpret_cast<const char*>(data_.data() + place_);
        place_ += size;
        return {start, size};
    }

    std::string_view rest() { return bytes(end_ - place_); }
    std::string_view string() { return bytes(number(1)); }

    std::string strings() {
        std::string all;
        while (good_ && place_ < end_) all += string();
        return all;
    }

    std::string name() {
        char* text = nullptr;
        long size = 0;
        good_ = good_ && place_ < end_ &&
                ::ares_expand_name(data_.data() + place_, data_.data(),
                                   static_cast<int>(data_.size()), &text, &size) == ARES_SUCCESS;
        if (!good_) return {};
        struct Release {
            char* text;
            ~Release() { ::ares_free_string(text); }
        } release{text};
        (void)bytes(static_cast<std::size_t>(size));
        return good_ ? text : "";
    }

    std::string address(int family, std::size_t size) {
        std::string_view data = bytes(size);
        char text[INET6_ADDRSTRLEN];
        return data.empty() ? "" : ::inet_ntop(family, data.data(), text, sizeof text);
    }

private:
    std::span<const unsigned char> data_;
    std::size_t place_ = 0;
    std::size_t end_;
    bool good_ = true;
};

DnsField read_field(Reader& reader, const char* name, Part part) {
    switch (part) {
        case Part::u8:
            return {name, true, reader.number(1), {}};
        case Part::u16:
            return {name, true, reader.number(2), {}};
        case Part::u32:
            return {name, true, reader.number(4), {}};
        case Part::name:
            return {name, false, 0, reader.name()};
        case Part::ipv4:
            return {name, false, 0, reader.address(AF_INET, sizeof(in_addr))};
        case Part::ipv6:
            return {name, false, 0, reader.address(AF_INET6, sizeof(in6_addr))};
        case Part::string:
            return {name, false, 0, std::string(reader.string())};
        case Part::strings:
            return {name, false, 0, reader.strings()};
        case Part::rest:
            return {name, false, 0, std::string(reader.rest())};
        case Part::none:
            break;
    }
    return {};
}

// Reads `count` records; those of unknown types and of other classes than the Internet's are left
// out.
std::vector<DnsRecord> read_records(Reader& reader, std::size_t count) {
    constexpr std::uint32_t internet = 1;
    std::vector<DnsRecord> records;
    while (count-- > 0 && reader.good()) {
        DnsRecord record{reader.name(), {}, 0, {}};
        const Layout* layout = layout_of(static_cast<std::uint16_t>(reader.number(2)));
        if (reader.number(2) != internet) layout = nullptr;
        record.ttl = reader.number(4);
        if (record.ttl > INT32_MAX) record.ttl = 0;  // RFC 2181, section 8
        Reader data = reader.part(reader.number(2));
        if (layout == nullptr) continue;
        record.type = layout->type;
        for (auto [name, part] : layout->fields) {
            if (part != Part::none) record.fields.push_back(read_field(data, name, part));
        }
        if (!data.good()) (void)reader.bytes(SIZE_MAX);  // a field that does not fit spoils it all
        records.push_back(std::move(record));
    }
    return records;
}

const DnsRecord* alias_of(const std::vector<DnsRecord>& records, std::string_view name) {
    for (const DnsRecord& record : records) {
        if (record.type == DnsType::cname && same_name(record.name, name)) return &record;
    }
    return nullptr;
}

// How long it may be remembered that something is not there (RFC 2308).
std::uint32_t negative_ttl(const std::vector<DnsRecord>& authority) {
    for (const DnsRecord& record : authority) {
        if (record.type == DnsType::soa) return std::min(record.ttl, record.fields.back().number);
    }
    return 0;
}

}  // namespace

bool same_name(std::string_view left, std::string_view right) {
    return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                      [](char a, char b) { return lower(a) == lower(b); });
}

std::string lower_case(std::string_view name) {
    std::string text(name);
    for (char& c : text) c = lower(c);
    return text;
}

bool dns_type_named(std::string_view name, DnsType& type) {
    for (const Layout& layout : layouts) {
        if (!same_name(layout.type_name, name)) continue;
        type = layout.type;
        return true;
    }
    return false;
}

const char* dns_type_name(DnsType type) {
    return layout_of(static_cast<std::uint16_t>(type))->type_name;
}

bool parse_dns_message(std::span<const unsigned char> data, std::string_view name, DnsType type,
                       DnsMessage& message) {
    Reader reader(data);
    (void)reader.number(4);  // id and flags: c-ares has looked at them
    std::size_t questions = reader.number(2);
    std::size_t answers = reader.number(2);
    std::size_t authorities = reader.number(2);
    (void)reader.number(2);
    while (questions-- > 0 && reader.good()) {
        (void)reader.name();
        (void)reader.number(4);
    }
    std::vector<DnsRecord> answer = read_records(reader, answers);
    std::vector<DnsRecord> authority = read_records(reader, authorities);
    if (!reader.good()) return false;

    message.canonical_name = name;
    std::uint32_t ttl = UINT32_MAX;
    for (int hops = 0; type != DnsType::cname && hops < aliases_limit; ++hops) {
        const DnsRecord* alias = alias_of(answer, message.canonical_name);
        if (alias == nullptr) break;
        ttl = std::min(ttl, alias->ttl);
        message.canonical_name = alias->fields.front().text;
    }
    for (DnsRecord& record : answer) {
        if (record.type != type || !same_name(record.name, message.canonical_name)) continue;
        ttl = std::min(ttl, record.ttl);
        message.records.push_back(std::move(record));
    }
    message.ttl = message.records.empty() ? std::min(ttl, negative_ttl(authority)) : ttl;
    return true;
}

}  // namespace coir
