#include "runtime/address.hpp"

#include <net/if.h>

#include "test/runtime/sockets.hpp"

using namespace coir;
using namespace coir::test;

namespace {

std::string text_of(Result<Address> address) {
    return address ? std::string(address->text().view()) : "no address";
}

Error inet_error(int family, std::string_view host) {
    return Address::inet(family, host, 1).error();
}

}  // namespace

TEST_CASE("an IPv4 address keeps its host and port") {
    Address address = *Address::inet(AF_INET, "127.0.0.1", 8080);
    CHECK(address.family() == AF_INET);
    CHECK(address.port() == 8080);
    CHECK(address.host().view() == "127.0.0.1");
    CHECK(address.text().view() == "127.0.0.1:8080");
    CHECK(address.size() == sizeof(sockaddr_in));
    CHECK(address.path().view() == "");
}

TEST_CASE("an IPv6 address keeps its host, port and scope") {
    CHECK(text_of(Address::inet(AF_INET6, "::1", 65535)) == "[::1]:65535");
    CHECK(text_of(Address::inet(AF_INET6, "FE80:0:0:0:0:0:0:1", 0)) == "[fe80::1]:0");
    CHECK(text_of(Address::inet(AF_INET6, "::ffff:1.2.3.4", 1)) == "[::ffff:1.2.3.4]:1");
    CHECK(text_of(Address::inet(AF_INET6, "fe80::1%lo", 1)) == "[fe80::1%lo]:1");
    CHECK(text_of(Address::inet(AF_INET6, "fe80::1%4294967295", 1)) == "[fe80::1%4294967295]:1");
    std::string by_number = "fe80::1%" + std::to_string(::if_nametoindex("lo"));
    CHECK(text_of(Address::inet(AF_INET6, by_number, 1)) == "[fe80::1%lo]:1");
}

TEST_CASE("the longest IPv6 text there is fits") {
    std::string longest = "0000:0000:0000:0000:0000:ffff:255.255.255.255";
    CHECK(text_of(Address::inet(AF_INET6, longest, 65535)) == "[::ffff:255.255.255.255]:65535");
}

TEST_CASE("without a family a colon decides") {
    CHECK((*Address::inet(AF_UNSPEC, "::", 1)).family() == AF_INET6);
    CHECK((*Address::inet(AF_UNSPEC, "0.0.0.0", 1)).family() == AF_INET);
    CHECK(inet_error(AF_UNSPEC, "localhost") == std::errc::invalid_argument);
    CHECK(inet_error(AF_UNSPEC, "") == std::errc::invalid_argument);
}

TEST_CASE("the short forms of IPv4 are understood") {
    CHECK(text_of(Address::inet(AF_INET, "127.1", 1)) == "127.0.0.1:1");
    CHECK(text_of(Address::inet(AF_INET, "0x7f000001", 1)) == "127.0.0.1:1");
    CHECK(text_of(Address::inet(AF_INET, "0", 1)) == "0.0.0.0:1");
}

TEST_CASE("what is no IPv4 address is EINVAL") {
    std::string with_zero("127.0.0.1\0x", 11);
    for (std::string_view host : {"", " ", "256.1.1.1", "1.2.3.4.5", "1.2.3.4 ", " 1.2.3.4",
                                  "1.2.3.4\n", "1.2.3.", "localhost", "-1", "1..2"}) {
        CAPTURE(host);
        CHECK(inet_error(AF_INET, host) == std::errc::invalid_argument);
    }
    CHECK(inet_error(AF_INET, with_zero) == std::errc::invalid_argument);
    CHECK(inet_error(AF_INET, std::string(10'000'000, '1')) == std::errc::invalid_argument);
}

TEST_CASE("what is no IPv6 address is EINVAL") {
    std::string with_zero("::1\0", 4);
    for (std::string_view host :
         {"", ":", ":::", "1:2", "::1%", "%lo", "::1%nosuchinterface0", "::1%-1", "::1%4294967296",
          "::1%1x", "::1 ", "1:2:3:4:5:6:7:8:9", "::12345", "[::1]"}) {
        CAPTURE(host);
        CHECK(inet_error(AF_INET6, host) == std::errc::invalid_argument);
    }
    CHECK(inet_error(AF_INET6, with_zero) == std::errc::invalid_argument);
    CHECK(inet_error(AF_INET6, std::string(10'000'000, ':')) == std::errc::invalid_argument);
}

TEST_CASE("an address of another family is EAFNOSUPPORT") {
    CHECK(inet_error(AF_INET, "::1") == std::errc::address_family_not_supported);
    CHECK(inet_error(AF_INET6, "127.0.0.1") == std::errc::address_family_not_supported);
    CHECK(inet_error(AF_INET, "unix/") == std::errc::address_family_not_supported);
}

TEST_CASE("a family without numeric addresses is EAFNOSUPPORT") {
    CHECK(inet_error(AF_UNIX, "/tmp/x") == std::errc::address_family_not_supported);
    CHECK(inet_error(-1, "127.0.0.1") == std::errc::address_family_not_supported);
    CHECK(inet_error(70000, "127.0.0.1") == std::errc::address_family_not_supported);
}

TEST_CASE("a Unix path comes back as it was given") {
    Address address = *Address::unix_path("/tmp/some where");
    CHECK(address.family() == AF_UNIX);
    CHECK(address.path().view() == "/tmp/some where");
    CHECK(address.host().view() == "unix/");
    CHECK(address.port() == 0);
    CHECK(address.text().view() == "unix/:/tmp/some where");
    CHECK(address.size() == offsetof(sockaddr_un, sun_path) + 16);
}

TEST_CASE("a Unix path may be as long as the kernel takes and no longer") {
    std::string longest(Address::max_unix_path, 'p');
    CHECK((*Address::unix_path(longest)).path().view() == longest);
    CHECK(text_of(Address::unix_path(longest)) == "unix/:" + longest);
    CHECK(Address::unix_path(longest + "p").error() == std::errc::no_buffer_space);
    CHECK(Address::unix_path(std::string(10'000'000, 'p')).error() == std::errc::no_buffer_space);
    CHECK(Address::unix_path("").error() == std::errc::invalid_argument);
    CHECK(Address::unix_path(std::string_view("a\0b", 3)).error() == std::errc::invalid_argument);
}

TEST_CASE("an abstract name keeps its zeros") {
    std::string_view name("\0a\0b", 4);
    Address address = *Address::unix_path(name);
    CHECK(address.path().view() == name);
    CHECK(address.size() == offsetof(sockaddr_un, sun_path) + 4);
    std::string longest(Address::max_unix_path, '\0');
    CHECK((*Address::unix_path(longest)).path().view() == longest);
}

TEST_CASE("any address has its family and port and no host") {
    CHECK(Address::any(AF_INET, 80).text().view() == "0.0.0.0:80");
    CHECK(Address::any(AF_INET6, 80).text().view() == "[::]:80");
    CHECK(Address().family() == AF_UNSPEC);
    CHECK(Address().size() == 0);
    CHECK(Address().host().view() == "");
    CHECK(Address().path().view() == "");
}

TEST_CASE("an unnamed Unix socket has an empty path") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    Address address = *pair.left.name();
    CHECK(address.family() == AF_UNIX);
    CHECK(address.path().view() == "");
    CHECK(address.text().view() == "unix/:");
}

TEST_CASE("a port is a whole decimal number up to 65535") {
    CHECK(*parse_port("0") == 0);
    CHECK(*parse_port("080") == 80);
    CHECK(*parse_port("65535") == 65535);
    for (std::string_view text : {"", " ", "65536", "-1", "+1", "1 ", " 1", "1.0", "0x10", "http",
                                  "99999999999999999999"}) {
        CAPTURE(text);
        CHECK(parse_port(text).error() == std::errc::invalid_argument);
    }
    CHECK_FALSE(parse_port(std::string_view("80\0", 3)));
}
