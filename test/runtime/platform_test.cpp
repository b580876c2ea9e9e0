#include "runtime/platform.hpp"

#include <fcntl.h>

#include "test/runtime/sockets.hpp"

using namespace coir;
using namespace coir::test;

namespace {

bool is_non_blocking(int fd) { return (::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0; }
bool closes_on_exec(int fd) { return (::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0; }

void check_flags_and_close(int fd) {
    REQUIRE(fd >= 0);
    CHECK(is_non_blocking(fd));
    CHECK(closes_on_exec(fd));
    ::close(fd);
}

}  // namespace

TEST_CASE("sockets are born non-blocking and close-on-exec") {
    check_flags_and_close(open_socket(AF_INET, SOCK_STREAM, 0));
    check_flags_and_close(open_socket(AF_INET, SOCK_DGRAM, 0));
    int fds[2];
    REQUIRE(open_socket_pair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    check_flags_and_close(fds[0]);
    check_flags_and_close(fds[1]);
}

TEST_CASE("an accepted socket is non-blocking and close-on-exec") {
    Scheduler scheduler;
    Bound listener(scheduler);
    int client = ::socket(AF_INET, SOCK_STREAM, 0);
    REQUIRE(::connect(client, listener.address.data(), listener.address.size()) == 0);
    Address from;
    check_flags_and_close(accept_socket(listener.socket.fd(), from.room(), from.room_size()));
    CHECK(from.host().view() == "127.0.0.1");
    ::close(client);
}

TEST_CASE("whether nobody waits at a listener is told before, or by trying") {
    Scheduler scheduler;
    Bound listener(scheduler);
    Address from;
    bool told = nobody_at(listener.socket.fd());
    CHECK((told || accept_socket(listener.socket.fd(), from.room(), from.room_size()) < 0));
    int client = ::socket(AF_INET, SOCK_STREAM, 0);
    REQUIRE(::connect(client, listener.address.data(), listener.address.size()) == 0);
    CHECK(!nobody_at(listener.socket.fd()));
    ::close(client);
}

TEST_CASE("adopting makes a descriptor non-blocking and close-on-exec and keeps its other flags") {
    int fds[2];
    REQUIRE(::pipe(fds) == 0);
    REQUIRE(::fcntl(fds[1], F_SETFL, O_APPEND) == 0);
    CHECK(adopt_descriptor(fds[1]) >= 0);
    CHECK((::fcntl(fds[1], F_GETFL) & O_APPEND) != 0);
    check_flags_and_close(fds[1]);
    ::close(fds[0]);
}

TEST_CASE("what the kernel refuses is minus one with errno") {
    errno = 0;
    CHECK(open_socket(-1, SOCK_STREAM, 0) == -1);
    CHECK(errno == EAFNOSUPPORT);
    CHECK(adopt_descriptor(-1) == -1);
    CHECK(errno == EBADF);
    CHECK(accept_socket(-1, nullptr, nullptr) == -1);
    CHECK(errno == EBADF);
    int fds[2];
    CHECK(open_socket_pair(AF_INET, SOCK_STREAM, 0, fds) == -1);
}
