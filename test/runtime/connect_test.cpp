#include "runtime/connect.hpp"

#include <netinet/tcp.h>

#include "test/runtime/sockets.hpp"

using namespace coir;
using namespace coir::test;

namespace {

constexpr auto for_ever = std::chrono::hours(1);  // an attempt that must not be waited for

ConnectOptions delayed(Duration delay) {
    ConnectOptions options;
    options.attempt_delay = delay;
    return options;
}

// connect_any() in a fiber of its own.
struct Try {
    Try(Scheduler& scheduler, std::vector<Address> addresses,
        ConnectOptions options = delayed(for_ever), Deadline deadline = never)
        : socket(scheduler) {
        fiber = spawn(scheduler, [=, this] {
            error = connect_any(socket, addresses, options, deadline, why);
        });
    }
    // Of the connection, if there is one.
    std::uint16_t peer_port() { return socket.is_open() ? (*socket.peer()).port() : 0; }

    Socket socket;
    Error error;
    std::string why;
    std::shared_ptr<Fiber> fiber;
};

Address loopback6(std::uint16_t port) { return *Address::inet(AF_INET6, "::1", port); }

std::string text_of(const Address& address) { return std::string(address.text().view()); }

}  // namespace

TEST_CASE("connecting takes the first address that answers") {
    Scheduler scheduler;
    Bound first(scheduler), second(scheduler);
    Try attempt(scheduler, {first.address, second.address});
    run(scheduler);
    CHECK(attempt.error == Error());
    CHECK(attempt.peer_port() == first.address.port());
    CHECK(attempt.socket.family() == AF_INET);
    CHECK(attempt.socket.type() == SOCK_STREAM);
}

TEST_CASE("an address that refuses is followed by the next at once") {
    Scheduler scheduler;
    Bound listener(scheduler);
    int next = DescriptorLimit::lowest_free();
    Try attempt(scheduler, {refusing(scheduler), refusing(scheduler), listener.address});
    run(scheduler);
    CHECK(attempt.error == Error());
    CHECK(attempt.peer_port() == listener.address.port());
    CHECK(attempt.socket.close() == Error());
    CHECK(DescriptorLimit::lowest_free() == next);
}

TEST_CASE(
    "an address that says nothing is followed by the next after the delay, and closed when it "
    "wins") {
    Scheduler scheduler;
    Crowded silent(scheduler);
    Bound listener(scheduler);
    int next = DescriptorLimit::lowest_free();
    Try attempt(scheduler, {silent.listener.address, listener.address},
                delayed(std::chrono::milliseconds(1)));
    run(scheduler);
    CHECK(attempt.error == Error());
    CHECK(attempt.peer_port() == listener.address.port());
    CHECK(attempt.socket.close() == Error());
    CHECK(DescriptorLimit::lowest_free() == next);
}

TEST_CASE("the next address waits for the delay, which here never ends") {
    Scheduler scheduler;
    Crowded silent(scheduler);
    Bound listener(scheduler);
    Try attempt(scheduler, {silent.listener.address, listener.address}, delayed(for_ever),
                in_ms(20));
    run(scheduler);
    CHECK(attempt.error == std::errc::timed_out);
    CHECK_FALSE(attempt.socket.is_open());
    CHECK(attempt.why == text_of(silent.listener.address) + ": Connection timed out; " +
                             text_of(listener.address) + ": not tried");
}

TEST_CASE("an attempt under way can still win when a later one was refused") {
    Scheduler scheduler;
    Crowded silent(scheduler);
    Try attempt(scheduler, {silent.listener.address, refusing(scheduler)},
                delayed(std::chrono::milliseconds(1)));
    in_fiber(scheduler, [&] {
        until_parked(scheduler, *attempt.fiber);
        CHECK(scheduler.sleep_until(in_ms(20)) ==
              Error());  // longer than the delay, but need not be
        for (auto& one : silent.queue) (void)one->close();
        Address from;
        while (!attempt.fiber->dead()) {  // room in the queue; TCP repeats its SYN after a second
            Result<int> fd = silent.listener.socket.accept(from, in_ms(50));
            if (fd) ::close(*fd);
        }
    });
    CHECK(attempt.error == Error());
}

TEST_CASE("when none answers, each is named with its reason, families by turns") {
    Scheduler scheduler;
    Address v4 = refusing(scheduler);
    std::vector<Address> six = {loopback6(1), loopback6(2), loopback6(1)};  // one of them twice
    Try attempt(scheduler, {six[0], six[1], six[2], v4});
    run(scheduler);
    CHECK(attempt.error);
    auto place = [&](const Address& address) { return attempt.why.find(text_of(address) + ": "); };
    CHECK(place(six[0]) < place(v4));
    CHECK(place(v4) < place(six[1]));
    CHECK(place(six[1]) != std::string::npos);
    CHECK(attempt.why.find(text_of(v4) + ": Connection refused") != std::string::npos);
    CHECK(std::count(attempt.why.begin(), attempt.why.end(), ';') == 2);
}

TEST_CASE("a cancelled fiber stops connecting and leaves nothing open") {
    Scheduler scheduler;
    Crowded first(scheduler), second(scheduler);
    int next = DescriptorLimit::lowest_free();
    Try attempt(scheduler, {first.listener.address, second.listener.address},
                delayed(Duration::zero()));
    in_fiber(scheduler, [&] {
        until_parked(scheduler, *attempt.fiber);
        scheduler.cancel(*attempt.fiber);
    });
    CHECK(attempt.error == std::errc::operation_canceled);
    CHECK(DescriptorLimit::lowest_free() == next);
    Try again(scheduler, {first.listener.address});
    scheduler.cancel(*again.fiber);
    run(scheduler);
    CHECK(again.error == std::errc::operation_canceled);
}

TEST_CASE("an interruption ends connecting once") {
    Scheduler scheduler;
    Crowded silent(scheduler);
    Try attempt(scheduler, {silent.listener.address});
    in_fiber(scheduler, [&] {
        until_parked(scheduler, *attempt.fiber);
        scheduler.interrupt(*attempt.fiber);
    });
    CHECK(attempt.error == std::errc::interrupted);
}

TEST_CASE("a deadline that has passed looks once") {
    Scheduler scheduler;
    Bound listener(scheduler);
    Try attempt(scheduler, {listener.address}, {}, overdue());
    Crowded silent(scheduler);
    Try hopeless(scheduler, {silent.listener.address}, {}, overdue());
    run(scheduler);
    CHECK(attempt.error == Error());
    CHECK(hopeless.error == std::errc::timed_out);
}

TEST_CASE("connecting to no address at all is an error") {
    Scheduler scheduler;
    Try attempt(scheduler, {});
    run(scheduler);
    CHECK(attempt.error == std::errc::invalid_argument);
}

TEST_CASE("the local address and the options are those that were asked for") {
    Scheduler scheduler;
    Bound listener(scheduler);
    ConnectOptions options;
    options.local = *Address::inet(AF_INET, "127.0.0.2", 0);
    options.nodelay = options.keepalive = true;
    Try attempt(scheduler, {listener.address}, options);
    run(scheduler);
    REQUIRE(attempt.error == Error());
    CHECK((*attempt.socket.name()).host().view() == "127.0.0.2");
    auto option = [&](int level, int name) {
        int value = 0;
        socklen_t size = sizeof value;
        ::getsockopt(attempt.socket.fd(), level, name, &value, &size);
        return value != 0;
    };
    CHECK(option(IPPROTO_TCP, TCP_NODELAY));
    CHECK(option(SOL_SOCKET, SO_KEEPALIVE));
}

TEST_CASE("a local address of somebody else is an error") {
    Scheduler scheduler;
    Bound listener(scheduler);
    ConnectOptions options;
    options.local = *Address::inet(AF_INET, "192.0.2.1", 0);
    Try attempt(scheduler, {listener.address}, options);
    run(scheduler);
    CHECK(attempt.error == std::errc::address_not_available);
}

TEST_CASE("a connection to itself is none") {
    Scheduler scheduler;
    ConnectOptions options;
    options.local = refusing(scheduler);
    Try attempt(scheduler, {options.local}, options);
    run(scheduler);
    CHECK(attempt.error == std::errc::connection_refused);
}

TEST_CASE("a Unix socket is connected by its path") {
    Scheduler scheduler;
    std::string path = "/tmp/coir-connect-" + std::to_string(::getpid());
    Address address = *Address::unix_path(path);
    Try early(scheduler, {address});
    run(scheduler);
    CHECK(early.error == std::errc::no_such_file_or_directory);
    CHECK(early.why == "unix/:" + path + ": No such file or directory");
    CHECK_FALSE(early.socket.is_open());
    Socket listener(scheduler);
    REQUIRE(listener.open(AF_UNIX, SOCK_STREAM, 0) == Error());
    REQUIRE(listener.bind(address) == Error());
    REQUIRE(listener.listen(8) == Error());
    Try attempt(scheduler, {address});
    run(scheduler);
    CHECK(attempt.error == Error());
    CHECK(attempt.socket.family() == AF_UNIX);
    ::unlink(path.c_str());
}

TEST_CASE("without a free descriptor connecting says so") {
    Scheduler scheduler;
    Bound listener(scheduler);
    Try attempt(scheduler, {listener.address});
    {
        DescriptorLimit limit(0);
        run(scheduler);
    }
    CHECK(attempt.error == std::errc::too_many_files_open);
    CHECK(attempt.why == text_of(listener.address) + ": Too many open files");
}

TEST_CASE("what was connected can be read and written") {
    Scheduler scheduler;
    Bound listener(scheduler);
    Try attempt(scheduler, {listener.address});
    in_fiber(scheduler, [&] {
        Address from;
        Result<int> fd = listener.socket.accept(from);
        REQUIRE(fd);
        Socket server(scheduler);
        server.accepted(*fd, listener.socket);
        CHECK(scheduler.join(*attempt.fiber) == Error());
        CHECK(write(attempt.socket, "there\n") == Error());
        CHECK(read_line(server) == text("there\n"));
        CHECK(write(server, "back\n") == Error());
        CHECK(read_line(attempt.socket) == text("back\n"));
    });
}
