#include "runtime/socket.hpp"
#include "test/runtime/sockets.hpp"

using namespace coir;
using namespace coir::test;

namespace {

void connect_to(const Bound& listener, Socket& client) {
    REQUIRE(client.open(AF_INET, SOCK_STREAM, 0) == Error());
    CHECK(client.connect(listener.address) == Error());
}

}  // namespace

TEST_CASE("an accepted connection says where it comes from") {
    Scheduler scheduler;
    Bound listener(scheduler);
    in_fiber(scheduler, [&] {
        Socket client(scheduler), server(scheduler);
        connect_to(listener, client);
        Address from;
        Result<int> fd = listener.socket.accept(from);
        REQUIRE(fd);
        server.accepted(*fd, listener.socket);
        CHECK(from.port() == (*client.name()).port());
        CHECK(server.family() == AF_INET);
        CHECK(server.type() == SOCK_STREAM);
        CHECK(write(client, "x") == Error());
        CHECK(read(server, 1) == text("x"));
    });
}

TEST_CASE("accepting waits for a connection, for a while, or not at all") {
    Scheduler scheduler;
    Bound listener(scheduler);
    Address from;
    CHECK(listener.socket.accept(from, immediate).error() ==
          std::errc::resource_unavailable_try_again);
    in_fiber(scheduler, [&] {
        CHECK(listener.socket.accept(from, overdue()).error() == std::errc::timed_out);
        auto server = spawn(scheduler, [&] {
            Result<int> fd = listener.socket.accept(from);
            CHECK(fd);
            if (fd) ::close(*fd);
        });
        until_parked(scheduler, *server);
        Socket client(scheduler);
        connect_to(listener, client);
        CHECK(scheduler.join(*server) == Error());
    });
}

TEST_CASE("of several fibers that accept each gets a connection, whatever the order of arrival") {
    Scheduler scheduler;
    Bound listener(scheduler);
    constexpr int count = 16;
    std::vector<int> accepted;
    std::shared_ptr<Fiber> last;
    for (int i = 0; i < count; ++i) {
        last = spawn(scheduler, [&] {
            Address from;
            Result<int> fd = listener.socket.accept(from);
            CHECK(fd);
            if (fd) accepted.push_back(*fd);
        });
    }
    in_fiber(scheduler, [&] {
        until_parked(scheduler, *last);
        std::vector<std::unique_ptr<Socket>> clients;
        for (int i = 0; i < count; ++i) {
            clients.push_back(std::make_unique<Socket>(scheduler));
            if (i % 5 == 0) (void)scheduler.yield();
            connect_to(listener, *clients.back());
        }
    });
    CHECK(accepted.size() == count);
    for (int fd : accepted) ::close(fd);
}

TEST_CASE("connections that queued before anybody accepted are all accepted") {
    Scheduler scheduler;
    Bound listener(scheduler);
    in_fiber(scheduler, [&] {
        Address from;
        CHECK(listener.socket.accept(from, overdue()).error() == std::errc::timed_out);
        std::vector<std::unique_ptr<Socket>> clients;
        for (int i = 0; i < 10; ++i) {
            clients.push_back(std::make_unique<Socket>(scheduler));
            connect_to(listener, *clients.back());
        }
        for (int i = 0; i < 10; ++i) {
            Result<int> fd = listener.socket.accept(from);
            REQUIRE(fd);
            ::close(*fd);
        }
        CHECK(listener.socket.accept(from, overdue()).error() == std::errc::timed_out);
    });
}

TEST_CASE("closing the listener wakes everybody who accepts") {
    Scheduler scheduler;
    Bound listener(scheduler);
    int woken = 0;
    for (int i = 0; i < 3; ++i) {
        spawn(scheduler, [&] {
            Address from;
            CHECK(listener.socket.accept(from).error() == std::errc::bad_file_descriptor);
            ++woken;
        });
    }
    spawn(scheduler, [&] { (void)listener.socket.close(); });
    run(scheduler);
    CHECK(woken == 3);
}

TEST_CASE("accepting on what does not listen is an error") {
    Scheduler scheduler;
    Socket socket(scheduler);
    CHECK(socket.open(AF_INET, SOCK_STREAM, 0) == Error());
    in_fiber(scheduler, [&] {
        Address from;
        CHECK(socket.accept(from).error() == std::errc::invalid_argument);
    });
}

TEST_CASE("a socket that has accepted says so when it does not listen any more") {
    Scheduler scheduler;
    Bound listener(scheduler);
    in_fiber(scheduler, [&] {
        Socket client(scheduler);
        connect_to(listener, client);
        Address from;
        Result<int> fd = listener.socket.accept(from);
        REQUIRE(fd);
        CHECK(listener.socket.accept(from, immediate).error() ==
              std::errc::resource_unavailable_try_again);
        CHECK(listener.socket.shutdown(SHUT_RD) == Error());
        CHECK(listener.socket.accept(from).error() == std::errc::invalid_argument);
        CHECK(listener.socket.close() == Error());
        SUBCASE("nor does the next descriptor of the same object") {
            CHECK(listener.socket.open(AF_INET, SOCK_STREAM, 0) == Error());
        }
        SUBCASE("nor one that is taken over") {
            CHECK(listener.socket.adopt(::dup(client.fd()), false) == Error());
        }
        if (listener.socket.is_open())
            CHECK(listener.socket.accept(from).error() == std::errc::invalid_argument);
        ::close(*fd);
    });
}

TEST_CASE("a connection that was reset before it was accepted harms nobody") {
    Scheduler scheduler;
    Bound listener(scheduler);
    in_fiber(scheduler, [&] {
        {
            Socket client(scheduler);
            connect_to(listener, client);
            linger hard{1, 0};
            ::setsockopt(client.fd(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        }
        Address from;
        Result<int> fd = listener.socket.accept(from, in_ms(1000));
        REQUIRE(fd);  // Linux hands the dead connection out
        Socket server(scheduler);
        server.accepted(*fd, listener.socket);
        CHECK(read(server, 1) == failure(std::errc::connection_reset));
    });
}

TEST_CASE("two hundred clients connect at once and talk") {
    Scheduler scheduler;
    Bound listener(scheduler);
    constexpr int count = 200;
    int answered = 0;
    spawn(scheduler, [&] {
        for (int i = 0; i < count; ++i) {
            Address from;
            Result<int> fd = listener.socket.accept(from);
            REQUIRE(fd);
            spawn(scheduler, [&, fd = *fd] {
                Socket server(scheduler);
                server.accepted(fd, listener.socket);
                CHECK(write(server, read_line(server).text) == Error());
            });
        }
    });
    for (int i = 0; i < count; ++i) {
        spawn(scheduler, [&, i] {
            Socket client(scheduler);
            connect_to(listener, client);
            std::string line = "client " + std::to_string(i) + "\n";
            CHECK(write(client, line) == Error());
            CHECK(read(client) == text(line));
            ++answered;
        });
    }
    run(scheduler);
    CHECK(answered == count);
}
