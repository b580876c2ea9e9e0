#include "runtime/socket.hpp"

#include <fcntl.h>

#include "test/runtime/sockets.hpp"

using namespace coir;
using namespace coir::test;

namespace {

constexpr auto closed = std::errc::bad_file_descriptor;

}  // namespace

TEST_CASE("a socket knows what it was opened as") {
    Scheduler scheduler;
    Socket socket(scheduler);
    CHECK_FALSE(socket.is_open());
    CHECK(socket.open(AF_INET, SOCK_DGRAM, IPPROTO_UDP) == Error());
    CHECK(socket.is_open());
    CHECK(socket.family() == AF_INET);
    CHECK(socket.type() == SOCK_DGRAM);
    CHECK(socket.protocol() == IPPROTO_UDP);
    CHECK(socket.close() == Error());
    CHECK_FALSE(socket.is_open());
    CHECK(socket.close() == closed);
}

TEST_CASE("what the kernel refuses to open is an error, and the socket stays closed") {
    Scheduler scheduler;
    Socket left(scheduler), right(scheduler);
    CHECK(left.open(-1, SOCK_STREAM, 0) == std::errc::address_family_not_supported);
    CHECK(left.open(AF_INET, SOCK_STREAM, IPPROTO_UDP) == std::errc::protocol_not_supported);
    CHECK(Socket::open_pair(left, right, AF_INET, SOCK_STREAM, 0));
    CHECK_FALSE(left.is_open());
    CHECK_FALSE(right.is_open());
}

TEST_CASE("running out of descriptors is EMFILE for every way to make a socket") {
    if (under_valgrind()) return;  // it keeps the limit itself, and not for every call
    Scheduler scheduler;
    Bound listener(scheduler);
    Socket client(scheduler), left(scheduler), right(scheduler);
    CHECK(client.open(AF_INET, SOCK_STREAM, 0) == Error());
    int busy = ::socket(AF_INET, SOCK_STREAM, 0);
    REQUIRE(::connect(busy, listener.address.data(), listener.address.size()) == 0);
    Address from;
    std::vector<Error> errors;
    in_fiber(scheduler, [&] {
        DescriptorLimit limit(0);
        errors = {left.open(AF_INET, SOCK_STREAM, 0),
                  Socket::open_pair(left, right, AF_UNIX, SOCK_STREAM, 0),
                  listener.socket.accept(from, immediate).error(),
                  wait_foreign(scheduler, listener.socket.fd(), writable, never).error()};
    });
    REQUIRE(errors.size() == 4);
    for (Error error : errors) CHECK(error == std::errc::too_many_files_open);
    Result<int> accepted = listener.socket.accept(from, immediate);
    REQUIRE(accepted);
    ::close(*accepted);
    ::close(busy);
}

TEST_CASE("an adopted socket knows what it is") {
    Scheduler scheduler;
    Socket socket(scheduler);
    int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(socket.adopt(fd, false) == Error());
    CHECK(socket.fd() == fd);
    CHECK(socket.family() == AF_INET);
    CHECK(socket.type() == SOCK_DGRAM);
    CHECK(socket.protocol() == IPPROTO_UDP);
    CHECK((::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
}

TEST_CASE("what is no socket can be adopted too, what is not open cannot") {
    Scheduler scheduler;
    Pipe pipe(scheduler);
    CHECK(pipe.reader.family() == AF_UNSPEC);
    CHECK(pipe.reader.type() == 0);
    Socket socket(scheduler);
    CHECK(socket.adopt(-1, false) == closed);
    CHECK(socket.adopt(19'999, false) == closed);
    CHECK_FALSE(socket.is_open());
}

TEST_CASE("detaching gives the descriptor away, open") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    int fd = pair.left.detach();
    CHECK_FALSE(pair.left.is_open());
    CHECK(pair.left.detach() == -1);
    send_raw(pair.right, "x");
    char byte;
    CHECK(::recv(fd, &byte, 1, 0) == 1);
    ::close(fd);
}

TEST_CASE("a socket that goes out of scope closes its descriptor") {
    Scheduler scheduler;
    int fd = -1;
    {
        SocketPair pair(scheduler);
        fd = pair.left.fd();
    }
    CHECK(::fcntl(fd, F_GETFD) == -1);
    CHECK(errno == EBADF);
}

TEST_CASE("every operation on a closed socket is EBADF") {
    Scheduler scheduler;
    Socket socket(scheduler);
    in_fiber(scheduler, [&] {
        Address address;
        std::string_view data;
        CHECK(socket.connect(loopback(1)) == closed);
        CHECK(socket.connect(loopback(1), immediate) == closed);
        CHECK(socket.bind(loopback()) == closed);
        CHECK(socket.listen(1) == closed);
        CHECK(socket.accept(address).error() == closed);
        CHECK(socket.name().error() == closed);
        CHECK(socket.peer().error() == closed);
        CHECK(receive(socket) == failure(closed));
        CHECK(receive(socket, 10, nullptr, immediate) == failure(closed));
        CHECK(socket.send("x", 0, nullptr, never).error() == closed);
        CHECK(socket.send_descriptor(0, "x", never) == closed);
        CHECK(socket.receive_descriptor(data, never).error() == closed);
        CHECK(read(socket, 1) == failure(closed));
        CHECK(read_any(socket) == failure(closed));
        CHECK(read_line(socket) == failure(closed));
        CHECK(write(socket, "x") == closed);
        CHECK(socket.flush(never) == closed);
        CHECK(socket.shutdown(SHUT_RDWR) == closed);
    });
}

TEST_CASE("closing a socket wakes its reader with EBADF") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    std::vector<Error> seen;
    spawn(scheduler, [&] { seen.push_back(read(pair.left, 1).error); });
    spawn(scheduler, [&] { seen.push_back(receive(pair.right, 1).error); });
    spawn(scheduler, [&] {
        CHECK(pair.left.close() == Error());
        CHECK(pair.right.close() == Error());
    });
    run(scheduler);
    CHECK(seen == std::vector<Error>(2, closed));
}

TEST_CASE("shutting down one half leaves the other") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    in_fiber(scheduler, [&] {
        CHECK(pair.left.shutdown(SHUT_WR) == Error());
        CHECK(read(pair.right) == text(""));
        CHECK(write(pair.left, "x") == std::errc::broken_pipe);
        CHECK(write(pair.right, "y") == Error());
        CHECK(read(pair.left, 1) == text("y"));
    });
}

TEST_CASE("shutting down for reading ends the read that waits") {
    Scheduler scheduler;
    TcpPair pair(scheduler);
    auto reader = spawn(scheduler, [&] { CHECK(read(pair.left) == text("")); });
    in_fiber(scheduler, [&] {
        until_parked(scheduler, *reader);
        CHECK(pair.left.shutdown(SHUT_RD) == Error());
        CHECK(scheduler.join(*reader) == Error());
        CHECK(write(pair.left, "x") == Error());
        CHECK(read(pair.right, 1) == text("x"));
    });
}

TEST_CASE("a word of shutdown that does not exist and a missing connection are errors") {
    Scheduler scheduler;
    TcpPair pair(scheduler);
    CHECK(pair.left.shutdown(99) == std::errc::invalid_argument);
    Socket lonely(scheduler);
    CHECK(lonely.open(AF_INET, SOCK_STREAM, 0) == Error());
    CHECK(lonely.shutdown(SHUT_RDWR) == std::errc::not_connected);
}

TEST_CASE("both ends of a connection know both names") {
    Scheduler scheduler;
    TcpPair pair(scheduler);
    CHECK((*pair.left.name()).port() == (*pair.right.peer()).port());
    CHECK((*pair.right.name()).port() == (*pair.left.peer()).port());
    CHECK((*pair.left.peer()).host().view() == "127.0.0.1");
    Socket lonely(scheduler);
    CHECK(lonely.open(AF_INET, SOCK_STREAM, 0) == Error());
    CHECK(lonely.peer().error() == std::errc::not_connected);
    CHECK((*lonely.name()).port() == 0);
}
