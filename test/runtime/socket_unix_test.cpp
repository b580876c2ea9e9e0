#include <sys/stat.h>

#include <cstdlib>

#include "runtime/socket.hpp"
#include "test/runtime/sockets.hpp"

using namespace coir;
using namespace coir::test;

namespace {

// A folder for socket files, gone with everything in it.
struct Folder {
    Folder() { REQUIRE(::mkdtemp(path) != nullptr); }
    ~Folder() {
        ::unlink(file("socket").c_str());
        ::rmdir(path);
    }
    std::string file(std::string_view name) const {
        return std::string(path) + "/" + std::string(name);
    }
    char path[32] = "/tmp/coir-test-XXXXXX";
};

void talk(Scheduler& scheduler, int type, std::string_view name) {
    Socket listener(scheduler), client(scheduler), server(scheduler);
    Address address = *Address::unix_path(name);
    REQUIRE(listener.open(AF_UNIX, type, 0) == Error());
    REQUIRE(listener.bind(address) == Error());
    REQUIRE(listener.listen(5) == Error());
    REQUIRE(client.open(AF_UNIX, type, 0) == Error());
    CHECK((*listener.name()).path().view() == name);
    in_fiber(scheduler, [&] {
        CHECK(client.connect(address) == Error());
        CHECK((*client.peer()).path().view() == name);
        Address from;
        Result<int> fd = listener.accept(from);
        REQUIRE(fd);
        server.accepted(*fd, listener);
        CHECK(server.family() == AF_UNIX);
        CHECK(write(client, "ping") == Error());
        CHECK(receive(server, 100) == text("ping"));
        CHECK(write(server, "pong") == Error());
        CHECK(receive(client, 100) == text("pong"));
        (void)client.close();
        CHECK(receive(server, 100) == text(""));
    });
}

}  // namespace

TEST_CASE("a Unix stream connects by path") {
    Scheduler scheduler;
    Folder folder;
    talk(scheduler, SOCK_STREAM, folder.file("socket"));
}

TEST_CASE("a Unix stream connects by abstract name, zeros included") {
    Scheduler scheduler;
    talk(scheduler, SOCK_STREAM, std::string_view("\0coir\0test\0stream", 17));
}

TEST_CASE("a Unix seqpacket socket connects") {
    Scheduler scheduler;
    talk(scheduler, SOCK_SEQPACKET, std::string_view("\0coir-test-seqpacket", 20));
}

TEST_CASE("a Unix path that is in use, or missing, is an error") {
    Scheduler scheduler;
    Folder folder;
    Address address = *Address::unix_path(folder.file("socket"));
    Socket first(scheduler), second(scheduler), client(scheduler);
    for (Socket* socket : {&first, &second, &client}) {
        CHECK(socket->open(AF_UNIX, SOCK_STREAM, 0) == Error());
    }
    in_fiber(scheduler, [&] {
        CHECK(client.connect(address) == std::errc::no_such_file_or_directory);
        CHECK(first.bind(address) == Error());
        CHECK(second.bind(address) == std::errc::address_in_use);
        CHECK(client.connect(address) == std::errc::connection_refused);
    });
}

TEST_CASE("packets of a seqpacket socket keep their boundaries, and empty reads mean the end") {
    Scheduler scheduler;
    SocketPair pair(scheduler, SOCK_SEQPACKET);
    in_fiber(scheduler, [&] {
        for (std::string_view packet : {"one", "three", "fifteen"}) {
            CHECK(*pair.left.send(packet, 0, nullptr, never) == packet.size());
        }
        CHECK(receive(pair.right) == text("one"));
        CHECK(receive(pair.right, 2) == text("th"));
        CHECK(receive(pair.right) == text("fifteen"));
        (void)pair.left.close();
        CHECK(receive(pair.right) == text(""));
    });
}

TEST_CASE("a Unix datagram may be larger than any of IP and is received whole") {
    Scheduler scheduler;
    SocketPair pair(scheduler, SOCK_DGRAM);
    int size = 1 << 20;
    ::setsockopt(pair.left.fd(), SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    std::string large(150'000, 'u');
    in_fiber(scheduler, [&] {
        CHECK(*pair.left.send(large, 0, nullptr, never) == large.size());
        CHECK(receive(pair.right) == text(large));
    });
}

TEST_CASE("a datagram from a socket without a name comes from no path") {
    Scheduler scheduler;
    std::string_view name("\0coir-test-named", 16);
    Address address = *Address::unix_path(name);
    Address other = *Address::unix_path(std::string_view("\0coir-test-sender", 17));
    Socket receiver(scheduler), named(scheduler), nameless(scheduler);
    for (Socket* socket : {&receiver, &named, &nameless}) {
        CHECK(socket->open(AF_UNIX, SOCK_DGRAM, 0) == Error());
    }
    CHECK(receiver.bind(address) == Error());
    CHECK(named.bind(other) == Error());
    in_fiber(scheduler, [&] {
        Address from;
        CHECK(*nameless.send("a", 0, &address, never) == 1);
        CHECK(receive(receiver, 0, &from) == text("a"));
        Address first = from;
        CHECK(*named.send("b", 0, &address, never) == 1);
        CHECK(receive(receiver, 0, &from) == text("b"));
        CHECK(from.path().view() == other.path().view());
        CHECK(*nameless.send("c", 0, &address, never) == 1);
        CHECK(receive(receiver, 0, &from) == text("c"));
        CHECK(from.path().view() == "");
        CHECK(from.family() == first.family());
        CHECK(from.text().view() == first.text().view());
    });
}

TEST_CASE("a datagram socket whose receiver is slow makes its sender wait") {
    Scheduler scheduler;
    SocketPair pair(scheduler, SOCK_DGRAM);
    int sent = 0, got = 0;
    auto sender = spawn(scheduler, [&] {
        for (; sent < 2000; ++sent) CHECK(*pair.left.send("x", 0, nullptr, never) == 1);
    });
    in_fiber(scheduler, [&] {
        until_parked(scheduler, *sender);
        CHECK(sent < 2000);
        while (got < 2000) {
            CHECK(receive(pair.right) == text("x"));
            ++got;
        }
    });
    CHECK(sent == 2000);
}
