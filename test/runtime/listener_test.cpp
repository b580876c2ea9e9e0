#include "runtime/listener.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include "test/runtime/sockets.hpp"

using namespace coir;
using namespace coir::test;

namespace {

std::string temporary_path() { return "/tmp/coir-listener-" + std::to_string(::getpid()); }

Address any_port(const char* host) { return *Address::inet(AF_UNSPEC, host, 0); }

bool has_ipv6() {
    Scheduler scheduler;
    Socket socket(scheduler);
    return !socket.open(AF_INET6, SOCK_STREAM, 0) && !socket.bind(any_port("::1"));
}

// A listener on a port of 127.0.0.1.
std::shared_ptr<Listener> listening(Scheduler& scheduler, Listener::Options options = {}) {
    auto listener = std::make_shared<Listener>(scheduler);
    std::string why;
    Address address = loopback();
    REQUIRE(listener->open({&address, 1}, options, why) == Error());
    return listener;
}

Address address_of(const Listener& listener) { return *listener.sockets().front()->name(); }

struct Client {
    Client(Scheduler& scheduler, const Address& to) : socket(scheduler) {
        CHECK(socket.open(to.family(), SOCK_STREAM, 0) == Error());
        CHECK(socket.connect(to, immediate).code() != ECONNREFUSED);
    }
    Socket socket;
};

void echo_a_line(Socket& client, const Address&) { (void)write(client, read_line(client).text); }

bool exists(const std::string& path) {
    struct stat file;
    return ::lstat(path.c_str(), &file) == 0;
}

// Runs `function` and returns what it says on standard error.
template <class Function>
std::string complaints_of(Function function) {
    std::FILE* file = std::tmpfile();
    REQUIRE(file != nullptr);
    int saved = ::dup(STDERR_FILENO);
    ::dup2(::fileno(file), STDERR_FILENO);
    function();
    std::fflush(stderr);
    ::dup2(saved, STDERR_FILENO);
    ::close(saved);
    char buffer[4096] = "";
    ssize_t size = ::pread(::fileno(file), buffer, sizeof buffer, 0);
    std::fclose(file);
    return {buffer, static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
}

}  // namespace

// -- Opening --------------------------------------------------------------------------------------

TEST_CASE("a listener has the same port on all addresses, IPv6 apart from IPv4") {
    if (!has_ipv6()) {
        MESSAGE("skipped: this machine has no IPv6");
        return;
    }
    Scheduler scheduler;
    Listener listener(scheduler);
    std::string why;
    std::vector<Address> addresses = {any_port("::"), any_port("0.0.0.0"), any_port("0.0.0.0")};
    REQUIRE(listener.open(addresses, {}, why) == Error());
    REQUIRE(listener.sockets().size() == 2);
    Address v6 = *listener.sockets()[0]->name(), v4 = *listener.sockets()[1]->name();
    CHECK(v6.family() == AF_INET6);
    CHECK(v4.family() == AF_INET);
    CHECK(v4.port() != 0);
    CHECK(v4.port() == v6.port());
}

TEST_CASE("an address of another machine is skipped if there are others") {
    Scheduler scheduler;
    Listener listener(scheduler);
    std::string why;
    std::vector<Address> addresses = {any_port("192.0.2.1"), any_port("127.0.0.1")};
    REQUIRE(listener.open(addresses, {}, why) == Error());
    REQUIRE(listener.sockets().size() == 1);
    CHECK(address_of(listener).host().view() == "127.0.0.1");
    Listener lonely(scheduler);
    CHECK(lonely.open({addresses.data(), 1}, {}, why) == std::errc::address_not_available);
    CHECK(why == "192.0.2.1:0: Cannot assign requested address");
    CHECK_FALSE(lonely.is_open());
    CHECK(lonely.open({}, {}, why) == std::errc::invalid_argument);
}

TEST_CASE("a port that is taken is an error, and nothing stays open") {
    Scheduler scheduler;
    auto first = listening(scheduler);
    int next = DescriptorLimit::lowest_free();
    std::string why;
    std::vector<Address> addresses = {loopback(address_of(*first).port())};
    Listener second(scheduler);
    CHECK(second.open(addresses, {}, why) == std::errc::address_in_use);
    CHECK(why.find("Address already in use") != std::string::npos);
    CHECK(DescriptorLimit::lowest_free() <= next + 1);  // the socket object itself holds none
}

TEST_CASE("prepare sees each socket before it is bound, and says the backlog") {
    Scheduler scheduler;
    Listener listener(scheduler);
    Socket socket(scheduler);
    Socket* sockets[] = {&socket};
    std::string why;
    Address address = loopback();
    std::uint16_t port_seen = 1;
    auto prepare = [&](Socket& given) -> Result<int> {
        port_seen = (*given.name()).port();
        return 5;
    };
    REQUIRE(listener.open({&address, 1}, sockets, {}, prepare, why) == Error());
    CHECK(port_seen == 0);
    CHECK((*socket.name()).port() != 0);
    listener.close();
    CHECK_FALSE(socket.is_open());
    auto refuse = [](Socket&) -> Result<int> { return std::errc::permission_denied; };
    CHECK(listener.open({&address, 1}, sockets, {}, refuse, why) == std::errc::permission_denied);
    CHECK_FALSE(socket.is_open());
}

// -- Unix sockets ---------------------------------------------------------------------------------

TEST_CASE("the file of a dead Unix socket is replaced, and deleted at the end") {
    Scheduler scheduler;
    std::string path = temporary_path(), why;
    Address address = *Address::unix_path(path);
    {
        Socket dead(scheduler);
        REQUIRE(dead.open(AF_UNIX, SOCK_STREAM, 0) == Error());
        REQUIRE(dead.bind(address) == Error());
    }
    CHECK(exists(path));
    {
        Listener listener(scheduler);
        REQUIRE(listener.open({&address, 1}, {}, why) == Error());
        CHECK(exists(path));
        Listener second(scheduler);
        CHECK(second.open({&address, 1}, {}, why) == std::errc::address_in_use);
        second.close();
        CHECK(exists(path));  // it is not the second one's
    }
    CHECK_FALSE(exists(path));
}

TEST_CASE("a file that is no socket is left alone") {
    Scheduler scheduler;
    std::string path = temporary_path(), why;
    Address address = *Address::unix_path(path);
    int fd = ::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    REQUIRE(fd >= 0);
    ::close(fd);
    Listener listener(scheduler);
    CHECK(listener.open({&address, 1}, {}, why) == std::errc::address_in_use);
    CHECK(exists(path));
    ::unlink(path.c_str());
}

TEST_CASE("a file that somebody else has put in its place is left alone") {
    Scheduler scheduler;
    std::string path = temporary_path(), why;
    Address address = *Address::unix_path(path);
    Listener first(scheduler), second(scheduler);
    REQUIRE(first.open({&address, 1}, {}, why) == Error());
    REQUIRE(::rename(path.c_str(), (path + ".old").c_str()) == 0);
    REQUIRE(second.open({&address, 1}, {}, why) == Error());
    first.close();
    CHECK(exists(path));
    second.close();
    CHECK_FALSE(exists(path));
    ::unlink((path + ".old").c_str());
}

// -- Serving --------------------------------------------------------------------------------------

TEST_CASE("every connection gets a fiber, and a fiber its own socket") {
    Scheduler scheduler;
    auto listener = listening(scheduler);
    Address address = address_of(*listener);
    CHECK(serve(listener, echo_a_line) == Error());
    int answered = 0;
    constexpr int count = 100;
    for (int i = 0; i < count; ++i) {
        spawn(scheduler, [&, i] {
            Client client(scheduler, address);
            std::string line = std::to_string(i) + "\n";
            CHECK(write(client.socket, line) == Error());
            CHECK(read(client.socket) == text(line));  // the end follows
            if (++answered == count) listener->close();
        });
    }
    run(scheduler);
    CHECK(answered == count);
    CHECK(listener->connections() == 0);
    CHECK(listener.use_count() == 1);
}

TEST_CASE("a full server lets the next one in when one leaves") {
    Scheduler scheduler;
    Listener::Options options;
    options.max_connections = 2;
    auto listener = listening(scheduler, options);
    Address address = address_of(*listener);
    std::size_t most = 0;
    CHECK(serve(listener, [&](Socket& client, const Address& from) {
              most = std::max(most, listener->connections());
              echo_a_line(client, from);
          }) == Error());
    in_fiber(scheduler, [&] {
        std::vector<std::unique_ptr<Client>> clients;
        for (int i = 0; i < 6; ++i) clients.push_back(std::make_unique<Client>(scheduler, address));
        for (auto& client : clients) CHECK(write(client->socket, "x\n") == Error());
        for (auto& client : clients) CHECK(read(client->socket) == text("x\n"));
        listener->close();
    });
    CHECK(most == 2);
}

TEST_CASE("when there is room again, all who wait for it look who has come") {
    Scheduler scheduler;
    Listener::Options options;
    options.max_connections = 1;
    Listener listener(scheduler);
    std::string why;
    std::vector<Address> addresses = {any_port("127.0.0.1"), any_port("127.0.0.2")};
    REQUIRE(listener.open(addresses, options, why) == Error());
    std::vector<Address> names;
    for (Socket* socket : listener.sockets()) names.push_back(*socket->name());
    auto busy = std::make_unique<Listener::Connection>(listener);
    int accepted = 0;
    for (Socket* socket : listener.sockets()) {
        spawn(scheduler, [&, socket] {
            Address from;
            while (Result<int> fd = listener.accept(*socket, from)) {
                ++accepted;
                ::close(*fd);
            }
        });
    }
    in_fiber(scheduler, [&] {
        std::vector<std::unique_ptr<Client>> clients;
        for (const Address& name : names)
            clients.push_back(std::make_unique<Client>(scheduler, name));
        for (int i = 0; i < 5; ++i) CHECK(scheduler.yield() == Error());
        CHECK(accepted == 0);
        busy.reset();  // once; neither of the two makes a connection that could end
        while (accepted < 2) CHECK(scheduler.yield() == Error());
        listener.close();
    });
}

TEST_CASE("closing wakes who waits for room, and connections go on") {
    Scheduler scheduler;
    Listener::Options options;
    options.max_connections = 1;
    auto listener = listening(scheduler, options);
    Address address = address_of(*listener);
    CHECK(serve(listener, echo_a_line) == Error());
    in_fiber(scheduler, [&] {
        Client first(scheduler, address), second(scheduler, address);
        while (listener->connections() == 0) CHECK(scheduler.yield() == Error());
        listener->close();
        CHECK(write(first.socket, "on\n") == Error());
        CHECK(read(first.socket) == text("on\n"));
    });
}

TEST_CASE("stopping waits for the connections, then cancels them") {
    Scheduler scheduler;
    auto listener = listening(scheduler);
    Address address = address_of(*listener);
    CHECK(serve(listener, echo_a_line) == Error());
    in_fiber(scheduler, [&] {
        Client quick(scheduler, address);
        while (listener->connections() == 0) CHECK(scheduler.yield() == Error());
        CHECK(write(quick.socket, "x\n") == Error());
        CHECK(*listener->stop() == 0);
        CHECK(read(quick.socket) == text("x\n"));
    });
    auto again = listening(scheduler);
    address = address_of(*again);
    CHECK(serve(again, echo_a_line) == Error());
    in_fiber(scheduler, [&] {
        Client slow(scheduler, address);
        while (again->connections() == 0) CHECK(scheduler.yield() == Error());
        CHECK(*again->stop(overdue()) == 1);
        CHECK(again->connections() == 0);
    });
}

TEST_CASE("a connection may stop the server that serves it") {
    Scheduler scheduler;
    auto listener = listening(scheduler);
    Address address = address_of(*listener);
    std::size_t cancelled = 99;
    CHECK(serve(listener, [&](Socket&, const Address&) { cancelled = *listener->stop(); }) ==
          Error());
    in_fiber(scheduler, [&] {
        Client client(scheduler, address);
        CHECK(read(client.socket) == text(""));
    });
    CHECK(cancelled == 0);
}

TEST_CASE("a server without descriptors waits for some, says so once, and goes on") {
    if (under_valgrind())
        return;  // it keeps the limit itself, and closes what accept(2) has returned
    Scheduler scheduler;
    auto listener = listening(scheduler);
    Address address = address_of(*listener);
    CHECK(serve(listener, echo_a_line) == Error());
    std::string said = complaints_of([&] {
        in_fiber(scheduler, [&] {
            Client client(scheduler, address);
            CHECK(write(client.socket, "x\n") == Error());
            {
                DescriptorLimit limit(0);
                CHECK(read(client.socket, 1, in_ms(50)) == failure(std::errc::timed_out));
            }
            CHECK(read(client.socket) == text("x\n"));
            listener->close();
        });
    });
    CHECK(said == "server " + std::string(address.text().view()) +
                      ": Too many open files; it goes on when it can\n");
}

TEST_CASE(
    "accepting ends with EBADF when the listener is closed, with EINVAL when it does not listen") {
    Scheduler scheduler;
    auto listener = listening(scheduler);
    Error seen;
    auto fiber = spawn(scheduler, [&] {
        Address from;
        seen = listener->accept(*listener->sockets().front(), from).error();
    });
    in_fiber(scheduler, [&] {
        until_parked(scheduler, *fiber);
        listener->close();
    });
    CHECK(seen == std::errc::bad_file_descriptor);
    Socket idle(scheduler);
    REQUIRE(idle.open(AF_INET, SOCK_STREAM, 0) == Error());
    in_fiber(scheduler, [&] {
        Address from;
        CHECK(listener->accept(idle, from).error() == std::errc::invalid_argument);
    });
}
