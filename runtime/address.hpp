// address.hpp: socket addresses, from text and to text. Numeric only: names are the resolver's
// work.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdint>
#include <string_view>

#include "runtime/error.hpp"

namespace coir {

class Address {
public:
    // The longest path of a Unix socket; the address also holds a final zero.
    static constexpr std::size_t max_unix_path = sizeof(sockaddr_un::sun_path) - 1;

    // A text that needs no memory of its own: a binding may be left by a jump while it holds one.
    struct Text {
        char data[max_unix_path + 64];
        std::size_t size = 0;
        std::string_view view() const { return {data, size}; }
    };

    Address() = default;

    // The IPv4 (`family` AF_INET; also the short forms of inet_aton(3)) or IPv6 address (AF_INET6;
    // with %scope) that `host` spells. AF_UNSPEC takes either. Errors: EINVAL when it spells none,
    // EAFNOSUPPORT for another family.
    static Result<Address> inet(int family, std::string_view host, std::uint16_t port);

    // The Unix socket at `path`; a path that begins with a zero byte is an abstract name (Linux).
    // Errors: ENOBUFS when it is longer than max_unix_path, EINVAL when it is empty.
    static Result<Address> unix_path(std::string_view path);

    static Address any(int family, std::uint16_t port);

    int family() const { return storage_.ss_family; }
    std::uint16_t port() const;         // 0 for a Unix socket
    void set_port(std::uint16_t port);  // does nothing to a Unix socket
    Text host() const;  // the numeric address, with the scope; "unix/" for a Unix socket
    Text path() const;  // of a Unix socket; empty when it has none
    Text text() const;  // "127.0.0.1:80", "[::1]:80", "unix/:path"

    // The same address in every byte.
    friend bool operator==(const Address& a, const Address& b);

    const sockaddr* data() const { return reinterpret_cast<const sockaddr*>(&storage_); }
    socklen_t size() const { return size_; }

    // For calls that fill an address in: the room, and its size before and after.
    sockaddr* room() { return reinterpret_cast<sockaddr*>(&storage_); }
    socklen_t* room_size() {
        size_ = sizeof storage_;
        return &size_;
    }
    void resize(socklen_t size) { size_ = size; }

private:
    sockaddr_storage storage_{};
    socklen_t size_ = 0;
};

// The whole decimal number from 0 to 65535 that `text` spells. Error: EINVAL.
Result<std::uint16_t> parse_port(std::string_view text);

}  // namespace coir
