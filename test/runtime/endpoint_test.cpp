#include "runtime/endpoint.hpp"

#include <fstream>

#include "runtime/connect.hpp"
#include "runtime/listener.hpp"
#include "test/runtime/sockets.hpp"

using namespace coir;
using namespace coir::test;

namespace {

// A resolver that knows what a hosts file of the case says, and asks nobody.
struct Names {
    Names(Scheduler& scheduler, const std::string& hosts) : resolver(scheduler) {
        std::ofstream(path) << hosts;
        std::ofstream(nothing) << "";
        REQUIRE(resolver.set_files({path, nothing, "/etc/services"}) == Error());
    }
    ~Names() {
        ::unlink(path.c_str());
        ::unlink(nothing.c_str());
    }
    std::string path = "/tmp/coir-hosts-" + std::to_string(::getpid());
    std::string nothing = path + ".empty";
    Resolver resolver;
};

struct Found {
    Error error;
    std::string why;
    std::vector<std::string> addresses;
};

Found find(const Endpoint& endpoint, const std::string& hosts = "") {
    Scheduler scheduler;
    Names names(scheduler, hosts);
    Found found;
    in_fiber(scheduler, [&] {
        std::vector<Address> addresses;
        found.error = find_addresses(names.resolver, endpoint, in_ms(10000), addresses, found.why);
        for (const Address& one : addresses) found.addresses.emplace_back(one.text().view());
    });
    return found;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("numeric hosts and ports, and paths, need no look-up") {
    CHECK(find({.host = "127.0.0.1", .service = "80"}).addresses == Texts{"127.0.0.1:80"});
    CHECK(find({.host = "::1", .service = "80"}).addresses == Texts{"[::1]:80"});
    CHECK(find({.host = "127.0.0.1", .service = "0", .passive = true}).addresses ==
          Texts{"127.0.0.1:0"});
    CHECK(find({.host = "unix/", .service = "/tmp/x"}).addresses == Texts{"unix/:/tmp/x"});
}

TEST_CASE("names have their addresses, services their ports") {
    std::string hosts = "127.0.0.7 seven\n";
    CHECK(find({.host = "seven", .service = "80"}, hosts).addresses == Texts{"127.0.0.7:80"});
    CHECK(find({.host = "127.0.0.1", .service = "http"}).addresses == Texts{"127.0.0.1:80"});
}

TEST_CASE("what cannot be a port is refused, and named") {
    for (std::string port : {"65536", "-1", "0", "", "80.5", "99999999999999999999"}) {
        Found found = find({.host = "127.0.0.1", .service = port});
        CHECK(found.error == std::errc::invalid_argument);
        CHECK(found.why == "127.0.0.1:" + port + ": no such port: Invalid argument");
    }
    Found found = find({.host = "127.0.0.1", .service = "80x"});
    CHECK(found.error == std::errc::io_error);
    CHECK(found.why.find("127.0.0.1:80x") != std::string::npos);
}

TEST_CASE("a path that is too long says the limit, and is not repeated in full") {
    Found found = find({.host = "unix/", .service = std::string(100000, 'x')});
    CHECK(found.error == std::errc::no_buffer_space);
    CHECK(found.why.find("path is longer than 107 bytes") != std::string::npos);
    CHECK(found.why.size() < 400);
    CHECK(find({.host = "unix/", .service = ""}).error == std::errc::invalid_argument);
}

TEST_CASE("a listener and a connection find each other by name") {
    Scheduler scheduler;
    Names names(scheduler, "127.0.0.5 five\n");
    auto listener = std::make_shared<Listener>(scheduler);
    in_fiber(scheduler, [&] {
        std::string why;
        Endpoint own{.host = "five", .service = "0", .passive = true};
        REQUIRE(listener->open(names.resolver, own, {}, never, why) == Error());
        CHECK(serve(listener, [](Socket& client, const Address&) {
                  (void)write(client, "five");
              }) == Error());
        std::string port = std::to_string((*listener->sockets().front()->name()).port());
        Socket client(scheduler);
        REQUIRE(connect(client, names.resolver, {.host = "five", .service = port}, {}, never,
                        why) == Error());
        CHECK(read(client) == text("five"));
        CHECK((*client.peer()).host().view() == "127.0.0.5");
        listener->close();
        Socket late(scheduler);
        CHECK(connect(late, names.resolver, {.host = "five", .service = port}, {}, never, why) ==
              std::errc::connection_refused);
        CHECK(why == "127.0.0.5:" + port + ": Connection refused");
        CHECK(connect(late, names.resolver, {.host = "a..b", .service = port}, {}, never, why) ==
              std::errc::io_error);
    });
}
