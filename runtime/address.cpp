#include "runtime/address.hpp"

#include <arpa/inet.h>
#include <net/if.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>

namespace coir {

namespace {

constexpr std::size_t path_offset = offsetof(sockaddr_un, sun_path);

// Copies `text` into a zero-terminated array; false when it does not fit or holds a zero or a space
// (which inet_aton would take for the end of the address).
template <std::size_t n>
bool copy_text(char (&out)[n], std::string_view text) {
    if (text.empty() || text.size() >= n) return false;
    for (char c : text) {
        if (c == '\0' || c == ' ' || (c >= '\t' && c <= '\r')) return false;
    }
    *std::copy(text.begin(), text.end(), out) = '\0';
    return true;
}

bool parse_scope(std::string_view scope, std::uint32_t& id) {
    char name[IF_NAMESIZE];
    if (!copy_text(name, scope)) return false;
    id = ::if_nametoindex(name);
    if (id != 0) return true;
    auto [end, error] = std::from_chars(scope.data(), scope.data() + scope.size(), id);
    return error == std::errc() && end == scope.data() + scope.size();
}

bool parse_v4(std::string_view host, in_addr& out) {
    char text[64];
    return copy_text(text, host) && ::inet_aton(text, &out) != 0;
}

bool parse_v6(std::string_view host, sockaddr_in6& out) {
    std::size_t percent = host.find('%');
    if (percent != std::string_view::npos &&
        !parse_scope(host.substr(percent + 1), out.sin6_scope_id)) {
        return false;
    }
    char text[INET6_ADDRSTRLEN];
    return copy_text(text, host.substr(0, percent)) &&
           ::inet_pton(AF_INET6, text, &out.sin6_addr) == 1;
}

void append(Address::Text& text, std::string_view more) {
    std::size_t n = std::min(more.size(), sizeof text.data - text.size);
    std::memcpy(text.data + text.size, more.data(), n);
    text.size += n;
}

void append_number(Address::Text& text, std::uint32_t number) {
    char digits[16];
    auto [end, error] = std::to_chars(digits, digits + sizeof digits, number);
    append(text, {digits, static_cast<std::size_t>(end - digits)});
}

// By hand: every connection of a server is named after its peer, and inet_ntop(3) takes ten times
// as long.
void append_v4(Address::Text& text, std::uint32_t address) {
    for (int shift = 24; shift >= 0; shift -= 8) {
        append_number(text, address >> shift & 255);
        if (shift > 0) append(text, ".");
    }
}

}  // namespace

Result<Address> Address::inet(int family, std::string_view host, std::uint16_t port) {
    if (family == AF_UNSPEC) family = host.find(':') == std::string_view::npos ? AF_INET : AF_INET6;
    Address address = any(family, port);
    if (family == AF_INET) {
        auto& v4 = reinterpret_cast<sockaddr_in&>(address.storage_);
        if (parse_v4(host, v4.sin_addr)) return address;
    } else if (family == AF_INET6) {
        auto& v6 = reinterpret_cast<sockaddr_in6&>(address.storage_);
        if (parse_v6(host, v6)) return address;
    } else {
        return std::errc::address_family_not_supported;
    }
    in_addr v4;
    sockaddr_in6 v6;
    bool other = host == "unix/" || parse_v4(host, v4) || parse_v6(host, v6);
    return other ? std::errc::address_family_not_supported : std::errc::invalid_argument;
}

Result<Address> Address::unix_path(std::string_view path) {
    if (path.empty()) return std::errc::invalid_argument;
    if (path.size() > max_unix_path) return std::errc::no_buffer_space;
    bool abstract = path.front() == '\0';
    if (!abstract && path.find('\0') != std::string_view::npos) return std::errc::invalid_argument;
    Address address;
    auto& un = reinterpret_cast<sockaddr_un&>(address.storage_);
    un.sun_family = AF_UNIX;
    std::memcpy(un.sun_path, path.data(), path.size());
    address.size_ = static_cast<socklen_t>(path_offset + path.size() + (abstract ? 0 : 1));
    return address;
}

Address Address::any(int family, std::uint16_t port) {
    Address address;
    address.storage_.ss_family = static_cast<sa_family_t>(family);
    if (family == AF_INET) address.size_ = sizeof(sockaddr_in);
    if (family == AF_INET6) address.size_ = sizeof(sockaddr_in6);
    address.set_port(port);
    return address;
}

void Address::set_port(std::uint16_t port) {
    if (family() == AF_INET) reinterpret_cast<sockaddr_in&>(storage_).sin_port = htons(port);
    if (family() == AF_INET6) reinterpret_cast<sockaddr_in6&>(storage_).sin6_port = htons(port);
}

std::uint16_t Address::port() const {
    if (family() == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in&>(storage_).sin_port);
    if (family() == AF_INET6)
        return ntohs(reinterpret_cast<const sockaddr_in6&>(storage_).sin6_port);
    return 0;
}

Address::Text Address::host() const {
    Text text;
    char buffer[INET6_ADDRSTRLEN];
    if (family() == AF_INET) {
        const auto& v4 = reinterpret_cast<const sockaddr_in&>(storage_);
        append_v4(text, ntohl(v4.sin_addr.s_addr));
    } else if (family() == AF_INET6) {
        const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage_);
        append(text, ::inet_ntop(AF_INET6, &v6.sin6_addr, buffer, sizeof buffer));
        char name[IF_NAMESIZE];
        if (v6.sin6_scope_id != 0) {
            append(text, "%");
            if (::if_indextoname(v6.sin6_scope_id, name) != nullptr) {
                append(text, name);
            } else {
                append_number(text, v6.sin6_scope_id);
            }
        }
    } else if (family() == AF_UNIX) {
        append(text, "unix/");
    }
    return text;
}

Address::Text Address::path() const {
    Text text;
    if (family() != AF_UNIX || size_ <= path_offset) return text;
    const auto& un = reinterpret_cast<const sockaddr_un&>(storage_);
    std::size_t size = std::min<std::size_t>(size_ - path_offset, sizeof un.sun_path);
    if (un.sun_path[0] != '\0') size = ::strnlen(un.sun_path, size);
    append(text, {un.sun_path, size});
    return text;
}

Address::Text Address::text() const {
    Text text;
    if (family() == AF_INET6) append(text, "[");
    append(text, host().view());
    if (family() == AF_INET6) append(text, "]");
    append(text, ":");
    if (family() == AF_UNIX) {
        append(text, path().view());
    } else {
        append_number(text, port());
    }
    return text;
}

bool operator==(const Address& a, const Address& b) {
    return a.size_ == b.size_ && std::memcmp(a.data(), b.data(), a.size_) == 0;
}

Result<std::uint16_t> parse_port(std::string_view text) {
    std::uint16_t port = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc() || end != text.data() + text.size())
        return std::errc::invalid_argument;
    return port;
}

}  // namespace coir
