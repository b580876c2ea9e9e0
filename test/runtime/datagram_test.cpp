#include "runtime/datagram.hpp"

#include "test/runtime/sockets.hpp"

using namespace coir;
using namespace coir::test;

namespace {

// A socket that is bound to every IPv4 address of this machine.
struct Wild {
    explicit Wild(Scheduler& scheduler) : socket(scheduler) {
        REQUIRE(socket.open(AF_INET, SOCK_DGRAM, 0) == Error());
        REQUIRE(socket.bind(Address::any(AF_INET, 0)) == Error());
        port = (*socket.name()).port();
    }
    Socket socket;
    std::uint16_t port = 0;
    char room[100];
};

}  // namespace

TEST_CASE("a datagram tells where it was sent to, and the answer comes from there") {
    Scheduler scheduler;
    Wild server(scheduler), client(scheduler);
    REQUIRE(tell_destinations(server.socket) == Error());
    in_fiber(scheduler, [&] {
        for (const char* host : {"127.0.0.1", "127.0.0.2", "127.9.9.9"}) {
            Address to = *Address::inet(AF_INET, host, server.port);
            CHECK(*client.socket.send("question", 0, &to, never) == 8);
            Arrival arrival;
            CHECK(*receive_datagram(server.socket, server.room, arrival) == "question");
            CHECK(arrival.to.host().view() == host);
            CHECK(arrival.from.port() == client.port);
            CHECK(*answer_datagram(server.socket, "answer", 0, arrival, never) == 6);
            Address from;
            CHECK(receive(client.socket, 0, &from) == text("answer"));
            CHECK(from == to);
        }
    });
}

TEST_CASE("without being told, the system chooses where the answer comes from") {
    Scheduler scheduler;
    Wild server(scheduler), client(scheduler);
    in_fiber(scheduler, [&] {
        Address to = *Address::inet(AF_INET, "127.0.0.2", server.port);
        CHECK(*client.socket.send("", 0, &to, never) == 0);
        Arrival arrival;
        CHECK(*receive_datagram(server.socket, server.room, arrival) == "");
        CHECK(arrival.to.family() == AF_UNSPEC);
        CHECK(*answer_datagram(server.socket, "answer", 0, arrival, never) == 6);
        CHECK(receive(client.socket) == text("answer"));
    });
}

TEST_CASE("receiving a datagram waits, and ends when the socket is closed") {
    Scheduler scheduler;
    Wild server(scheduler);
    Error seen;
    auto waiting = spawn(scheduler, [&] {
        Arrival arrival;
        seen = receive_datagram(server.socket, server.room, arrival).error();
    });
    in_fiber(scheduler, [&] {
        until_parked(scheduler, *waiting);
        CHECK(server.socket.close() == Error());
    });
    CHECK(seen == std::errc::bad_file_descriptor);
}
