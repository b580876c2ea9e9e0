#include "runtime/resolver.hpp"

#include "runtime/address_order.hpp"
#include "test/runtime/sockets.hpp"

using namespace coir;
using namespace coir::test;

namespace {

const Resolver::Files no_files{"/dev/null", "/dev/null", "/dev/null"};

std::string text_of(const Resolver::Answer& answer) {
    std::string text;
    for (const Resolver::Row& row : answer.rows) text.append(row.address.text().view()) += ' ';
    return text + answer.message;
}

std::string order_of(std::initializer_list<const char*> hosts) {
    std::vector<Address> addresses;
    for (const char* host : hosts) addresses.push_back(*Address::inet(AF_UNSPEC, host, 0));
    sort_addresses(addresses);
    std::string text;
    for (const Address& address : addresses) text.append(address.host().view()) += ' ';
    return text;
}

}  // namespace

TEST_CASE("addresses, this machine and services need no server") {
    Scheduler scheduler;
    Resolver resolver(scheduler);
    in_fiber(scheduler, [&] {
        auto resolve = [&](Resolver::Query query) {
            query.type = SOCK_STREAM;
            return text_of(resolver.resolve(query, never));
        };
        CHECK(resolve({.host = "127.0.0.1", .service = "80"}) == "127.0.0.1:80 ");
        CHECK(resolve({.host = "::1", .service = "80"}) == "[::1]:80 ");
        CHECK(resolve({.host = "", .service = "80"}) == "[::1]:80 127.0.0.1:80 ");
        CHECK(resolve({.host = "", .service = "80", .family = AF_INET, .flags = AI_PASSIVE}) ==
              "0.0.0.0:80 ");
        CHECK(
            resolve({.host = "1.2.3.4", .service = "", .family = AF_INET6, .flags = AI_V4MAPPED}) ==
            "[::ffff:1.2.3.4]:0 ");
        CHECK(resolve({.host = "a..b", .service = "80"}) ==
              "cannot resolve a..b:80: an empty label in the name");
        CHECK(resolve({.host = "::1", .service = "80", .family = AF_UNIX}).find("families") !=
              std::string::npos);
        CHECK(resolve({.host = "::1", .service = "80", .flags = 1 << 30}).find("flags") !=
              std::string::npos);
        CHECK(resolve({.host = "", .service = "80", .flags = AI_CANONNAME}).find("needs a host") !=
              std::string::npos);
    });
}

TEST_CASE("a look-up ends at its deadline and leaves nothing behind") {
    Scheduler scheduler;
    Resolver resolver(scheduler, no_files);
    Bound server(scheduler, SOCK_DGRAM);  // reads nothing and never answers
    REQUIRE(resolver.set_servers({&server.address, 1}) == Error());
    in_fiber(scheduler, [&] {
        Resolver::Answer answer = resolver.resolve({.host = "a.test", .service = "80"}, in_ms(5));
        CHECK(answer.error == std::errc::timed_out);
        CHECK(answer.message == "cannot resolve a.test:80: timed out");
        CHECK(answer.rows.empty());
    });
    CHECK(scheduler.fibers() == 0);
}

TEST_CASE("a cancelled or interrupted look-up ends at once") {
    Scheduler scheduler;
    Resolver resolver(scheduler, no_files);
    Bound server(scheduler, SOCK_DGRAM);  // reads nothing and never answers
    REQUIRE(resolver.set_servers({&server.address, 1}) == Error());
    Error seen[2], later;
    auto cancelled = spawn(scheduler, [&] {
        seen[0] = resolver.resolve({.host = "a.test"}, never).error;
        later = resolver.resolve({.host = "127.0.0.1"}, never).error;
    });
    auto interrupted =
        spawn(scheduler, [&] { seen[1] = resolver.query("a.test", DnsType::a, never).error; });
    spawn(scheduler, [&] {
        until_parked(scheduler, *cancelled);
        until_parked(scheduler, *interrupted);
        scheduler.cancel(*cancelled);
        scheduler.interrupt(*interrupted);
    });
    run(scheduler);
    CHECK(seen[0] == std::errc::operation_canceled);
    CHECK(seen[1] == std::errc::interrupted);
    CHECK(later == std::errc::operation_canceled);
    CHECK(scheduler.fibers() == 0);
}

TEST_CASE("a look-up under way is no deadlock, and afterwards one is seen") {
    Scheduler scheduler;
    Resolver resolver(scheduler, no_files);
    Bound server(scheduler, SOCK_DGRAM);  // reads nothing and never answers
    REQUIRE(resolver.set_servers({&server.address, 1}) == Error());
    WaitList nobody("nothing");
    auto stuck = spawn(scheduler, [&] {
        CHECK(resolver.resolve({.host = "a.test"}, in_ms(5)).error == std::errc::timed_out);
        (void)scheduler.park(nobody);
    });
    CHECK(scheduler.run() == std::errc::resource_deadlock_would_occur);
    CHECK(scheduler.fibers() == 1);
    scheduler.wake_all(nobody);
    run(scheduler);
}

TEST_CASE("the fibers of a look-up may be cancelled") {
    Scheduler scheduler;
    Resolver resolver(scheduler, no_files);
    Bound server(scheduler, SOCK_DGRAM);  // reads nothing and never answers
    REQUIRE(resolver.set_servers({&server.address, 1}) == Error());
    Resolver::Answer answer;
    auto asker =
        spawn(scheduler, [&] { answer = resolver.resolve({.host = "a.test"}, in_ms(10000)); });
    spawn(scheduler, [&] {
        until_parked(scheduler, *asker);
        scheduler.for_each_fiber([&](Fiber& fiber) {
            if (&fiber != asker.get() && &fiber != scheduler.running()) scheduler.cancel(fiber);
        });
    });
    run(scheduler);
    CHECK(answer.error == std::errc::io_error);
    in_fiber(scheduler, [&] {  // and the next one works again
        CHECK(resolver.resolve({.host = "a.test"}, in_ms(5)).error == std::errc::timed_out);
    });
}

TEST_CASE("a resolver may go while its questions are under way for nobody") {
    Scheduler scheduler;
    Bound server(scheduler, SOCK_DGRAM);  // reads nothing and never answers
    {
        Resolver resolver(scheduler, no_files);
        REQUIRE(resolver.set_servers({&server.address, 1}) == Error());
        in_fiber(scheduler, [&] { (void)resolver.resolve({.host = "a.test"}, overdue()); });
    }
    CHECK(scheduler.fibers() == 0);
    run(scheduler);
}

TEST_CASE("addresses that can be reached come first, and the nearest of them") {
    CHECK(order_of({"127.0.0.1", "::1"}) == "::1 127.0.0.1 ");
    CHECK(order_of({"0.0.0.0", "::"}) == "0.0.0.0 :: ");
    CHECK(order_of({"127.0.0.9", "127.0.0.1", "127.9.0.1"}) == "127.0.0.1 127.0.0.9 127.9.0.1 ");
    CHECK(order_of({"::ffff:127.0.0.1", "::1"}) == "::1 ::ffff:127.0.0.1 ");
    CHECK(order_of({"127.0.0.1"}) == "127.0.0.1 ");
    CHECK(order_of({}) == "");
}
