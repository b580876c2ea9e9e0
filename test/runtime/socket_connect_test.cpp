#include "runtime/socket.hpp"
#include "test/runtime/sockets.hpp"

using namespace coir;
using namespace coir::test;

namespace {

struct Listener {
    Listener(Scheduler& scheduler, std::string_view name, int backlog) : socket(scheduler) {
        address = *Address::unix_path(name);
        REQUIRE(socket.open(AF_UNIX, SOCK_STREAM, 0) == Error());
        REQUIRE(socket.bind(address) == Error());
        REQUIRE(socket.listen(backlog) == Error());
    }
    Socket socket;
    Address address;
};

}  // namespace

TEST_CASE("connecting waits until the connection stands") {
    Scheduler scheduler;
    Bound listener(scheduler);
    Socket client(scheduler);
    CHECK(client.open(AF_INET, SOCK_STREAM, 0) == Error());
    in_fiber(scheduler, [&] {
        CHECK(client.connect(listener.address) == Error());
        CHECK((*client.peer()).port() == listener.address.port());
    });
}

TEST_CASE("connecting where nobody listens is refused") {
    Scheduler scheduler;
    Address nobody = refusing(scheduler);
    in_fiber(scheduler, [&] {
        for (int i = 0; i < 3; ++i) {
            Socket client(scheduler);
            CHECK(client.open(AF_INET, SOCK_STREAM, 0) == Error());
            CHECK(client.connect(nobody) == std::errc::connection_refused);
        }
    });
}

TEST_CASE("a connection that does not come about times out, or is cancelled, or is closed") {
    Scheduler scheduler;
    Crowded crowded(scheduler);
    in_fiber(scheduler, [&] {
        std::vector<std::unique_ptr<Socket>> clients;
        std::vector<std::shared_ptr<Fiber>> fibers;
        std::vector<Error> seen(3);
        for (std::size_t i = 0; i < 3; ++i) {
            clients.push_back(std::make_unique<Socket>(scheduler));
            CHECK(clients[i]->open(AF_INET, SOCK_STREAM, 0) == Error());
            fibers.push_back(spawn(scheduler, [&, i] {
                seen[i] = clients[i]->connect(crowded.listener.address, i == 0 ? in_ms(2) : never);
            }));
        }
        until_parked(scheduler, *fibers[2]);
        scheduler.cancel(*fibers[1]);
        CHECK(clients[2]->close() == Error());
        for (auto& fiber : fibers) CHECK(scheduler.join(*fiber) == Error());
        CHECK(seen[0] == std::errc::timed_out);
        CHECK(seen[1] == std::errc::operation_canceled);
        CHECK(seen[2] == std::errc::bad_file_descriptor);
    });
}

TEST_CASE("an immediate connect is under way, and a second one learns how it went") {
    Scheduler scheduler;
    Bound listener(scheduler);
    Address nobody = refusing(scheduler);
    in_fiber(scheduler, [&] {
        Socket client(scheduler), refused(scheduler);
        CHECK(client.open(AF_INET, SOCK_STREAM, 0) == Error());
        CHECK(client.connect(listener.address, immediate) == std::errc::operation_in_progress);
        CHECK(client.descriptor().wait(writable, never));
        Error second = client.connect(listener.address, immediate);
        CHECK((second == Error() || second == std::errc::already_connected));
        CHECK(refused.open(AF_INET, SOCK_STREAM, 0) == Error());
        CHECK(refused.connect(nobody, immediate) == std::errc::operation_in_progress);
        CHECK(refused.descriptor().wait(writable, never));
        CHECK(refused.connect(nobody) == std::errc::connection_refused);
    });
}

TEST_CASE("an address that fits no socket is an error of connect") {
    Scheduler scheduler;
    Socket client(scheduler);
    CHECK(client.open(AF_INET, SOCK_STREAM, 0) == Error());
    in_fiber(scheduler, [&] {
        CHECK(client.connect(Address()) == std::errc::invalid_argument);
        CHECK(client.connect(*Address::inet(AF_INET6, "::1", 1)) ==
              std::errc::address_family_not_supported);
    });
}

TEST_CASE("a datagram socket connects at once") {
    Scheduler scheduler;
    Bound receiver(scheduler, SOCK_DGRAM);
    Socket sender(scheduler);
    CHECK(sender.open(AF_INET, SOCK_DGRAM, 0) == Error());
    in_fiber(scheduler, [&] {
        CHECK(sender.connect(receiver.address) == Error());
        CHECK(*sender.send("x", 0, nullptr, never) == 1);
        CHECK(receive(receiver.socket) == text("x"));
    });
}

TEST_CASE("the error of a datagram that nobody wanted is shown once, and the socket works on") {
    Scheduler scheduler;
    Address nobody = Bound(scheduler, SOCK_DGRAM).address;
    Socket sender(scheduler);
    CHECK(sender.open(AF_INET, SOCK_DGRAM, 0) == Error());
    in_fiber(scheduler, [&] {
        CHECK(sender.connect(nobody) == Error());
        CHECK(*sender.send("x", 0, nullptr, never) == 1);
        CHECK(receive(sender, 10, nullptr, in_ms(1000)) == failure(std::errc::connection_refused));
        CHECK(receive(sender, 10, nullptr, overdue()) == failure(std::errc::timed_out));
    });
}

TEST_CASE("a Unix listener whose queue is full is waited for") {
    Scheduler scheduler;
    std::string_view name("\0coir-test-full-queue", 21);
    Listener listener(scheduler, name, 0);
    Socket first(scheduler), second(scheduler);
    CHECK(first.open(AF_UNIX, SOCK_STREAM, 0) == Error());
    CHECK(second.open(AF_UNIX, SOCK_STREAM, 0) == Error());
    in_fiber(scheduler, [&] {
        CHECK(first.connect(listener.address) == Error());
        CHECK(second.connect(listener.address, immediate) ==
              std::errc::resource_unavailable_try_again);
        CHECK(second.connect(listener.address, overdue()) == std::errc::timed_out);
        Deadline deadline = in_ms(3);
        CHECK(second.connect(listener.address, deadline) == std::errc::timed_out);
        CHECK(Clock::now() >= deadline);
        auto waiter = spawn(scheduler, [&] { CHECK(second.connect(listener.address) == Error()); });
        until_parked(scheduler, *waiter);
        Address from;
        Result<int> accepted = listener.socket.accept(from);
        REQUIRE(accepted);
        CHECK(scheduler.join(*waiter) == Error());
        ::close(*accepted);
    });
}

TEST_CASE("a connect that waits for a full Unix queue ends when cancelled or closed") {
    Scheduler scheduler;
    std::string_view name("\0coir-test-full-queue-2", 23);
    Listener listener(scheduler, name, 0);
    Socket first(scheduler), second(scheduler), third(scheduler);
    for (Socket* socket : {&first, &second, &third}) {
        CHECK(socket->open(AF_UNIX, SOCK_STREAM, 0) == Error());
    }
    in_fiber(scheduler, [&] {
        CHECK(first.connect(listener.address) == Error());
        Error cancelled, closed;
        auto a = spawn(scheduler, [&] { cancelled = second.connect(listener.address); });
        auto b = spawn(scheduler, [&] { closed = third.connect(listener.address); });
        until_parked(scheduler, *b);
        scheduler.cancel(*a);
        CHECK(third.close() == Error());
        CHECK(scheduler.join(*a) == Error());
        CHECK(scheduler.join(*b) == Error());
        CHECK(cancelled == std::errc::operation_canceled);
        CHECK(closed == std::errc::bad_file_descriptor);
    });
}
