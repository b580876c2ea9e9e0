#include "runtime/socket_options.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <set>

#include "test/runtime/fixtures.hpp"

using namespace coir;
using namespace coir::test;

TEST_CASE("every option is found by its name and by its number") {
    for (const SocketOption& option : socket_options()) {
        CAPTURE(option.name);
        CHECK(find_socket_option(option.level, option.name) == &option);
        CHECK(find_socket_option(option.level, option.number) == &option);
    }
}

TEST_CASE("every name says its level, and no two options share a name or a number") {
    std::set<std::string_view> names;
    std::set<std::pair<int, int>> numbers;
    for (const SocketOption& option : socket_options()) {
        CAPTURE(option.name);
        CHECK(names.insert(option.name).second);
        CHECK(numbers.insert({option.level, option.number}).second);
        std::string_view prefix = option.name.substr(0, option.name.find('_'));
        int level = prefix == "SO"     ? SOL_SOCKET
                    : prefix == "TCP"  ? IPPROTO_TCP
                    : prefix == "UDP"  ? IPPROTO_UDP
                    : prefix == "IPV6" ? IPPROTO_IPV6
                                       : IPPROTO_IP;
        CHECK(option.level == level);
    }
}

TEST_CASE("an option that does not exist is not found, nor one of another level") {
    CHECK(find_socket_option(SOL_SOCKET, "SO_NOSUCH") == nullptr);
    CHECK(find_socket_option(SOL_SOCKET, "") == nullptr);
    CHECK(find_socket_option(SOL_SOCKET, "so_reuseaddr") == nullptr);
    CHECK(find_socket_option(SOL_SOCKET, "TCP_NODELAY") == nullptr);
    CHECK(find_socket_option(IPPROTO_TCP, "SO_REUSEADDR") == nullptr);
    CHECK(find_socket_option(SOL_SOCKET, std::string(10'000'000, 'S')) == nullptr);
    CHECK(find_socket_option(-1, 0) == nullptr);
    CHECK(find_socket_option(SOL_SOCKET, -1) == nullptr);
}

TEST_CASE("the kernel knows every integer option that can be read") {
    int tcp = ::socket(AF_INET, SOCK_STREAM, 0);
    int udp = ::socket(AF_INET, SOCK_DGRAM, 0);
    int v6 = ::socket(AF_INET6, SOCK_STREAM, 0);
    for (const SocketOption& option : socket_options()) {
        if (option.type != SocketOption::Type::integer) continue;
        if (option.access == SocketOption::Access::write) continue;
        if (option.level == IPPROTO_IPV6 && v6 < 0) continue;
        int fd = option.level == IPPROTO_UDP ? udp : option.level == IPPROTO_IPV6 ? v6 : tcp;
        char value[256] = {};
        socklen_t size = sizeof value;
        CAPTURE(option.name);
        bool known = ::getsockopt(fd, option.level, option.number, value, &size) == 0 ||
                     (errno != ENOPROTOOPT && errno != EINVAL) || option.level == IPPROTO_TCP;
        CHECK(known);
    }
    for (int fd : {tcp, udp, v6}) ::close(fd);
}
