#include "runtime/socket.hpp"
#include "test/runtime/sockets.hpp"

using namespace coir;
using namespace coir::test;

TEST_CASE("a datagram comes with its sender's address, whole") {
    Scheduler scheduler;
    Bound receiver(scheduler, SOCK_DGRAM), sender(scheduler, SOCK_DGRAM);
    std::string large(60'000, 'd');
    in_fiber(scheduler, [&] {
        Address from;
        for (std::string_view data : {std::string_view("x"), std::string_view(large)}) {
            CHECK(*sender.socket.send(data, 0, &receiver.address, never) == data.size());
            CHECK(receive(receiver.socket, 0, &from) == text(std::string(data)));
            CHECK(from.port() == sender.address.port());
            CHECK(from.host().view() == "127.0.0.1");
        }
    });
}

TEST_CASE("empty datagrams are sent and received") {
    Scheduler scheduler;
    Bound receiver(scheduler, SOCK_DGRAM), sender(scheduler, SOCK_DGRAM);
    in_fiber(scheduler, [&] {
        Address from;
        CHECK(*sender.socket.send("", 0, &receiver.address, never) == 0);
        CHECK(*sender.socket.send("after", 0, &receiver.address, never) == 5);
        CHECK(receive(receiver.socket, 0, &from) == text(""));
        CHECK(from.port() == sender.address.port());
        CHECK(receive(receiver.socket, 100) == text("after"));
        CHECK(receive(receiver.socket, 100, nullptr, overdue()) == failure(std::errc::timed_out));
    });
}

TEST_CASE("a datagram that is larger than what was asked for is cut") {
    Scheduler scheduler;
    Bound receiver(scheduler, SOCK_DGRAM), sender(scheduler, SOCK_DGRAM);
    in_fiber(scheduler, [&] {
        CHECK(*sender.socket.send("0123456789", 0, &receiver.address, never) == 10);
        CHECK(*sender.socket.send("next", 0, &receiver.address, never) == 4);
        CHECK(receive(receiver.socket, 4) == text("0123"));
        CHECK(receive(receiver.socket, 4) == text("next"));
    });
}

TEST_CASE("a datagram that the network cannot carry is EMSGSIZE") {
    Scheduler scheduler;
    Bound receiver(scheduler, SOCK_DGRAM), sender(scheduler, SOCK_DGRAM);
    std::string huge(70'000, 'd');
    in_fiber(scheduler, [&] {
        CHECK(sender.socket.send(huge, 0, &receiver.address, never).error() ==
              std::errc::message_size);
    });
}

TEST_CASE("sending without an address fails, and so does sending to what is none") {
    Scheduler scheduler;
    Bound sender(scheduler, SOCK_DGRAM);
    Address none;
    in_fiber(scheduler, [&] {
        CHECK(sender.socket.send("x", 0, nullptr, never).error() ==
              std::errc::destination_address_required);
        CHECK(sender.socket.send("x", 0, &none, never).error());
    });
}

TEST_CASE("peeking leaves the datagram where it is") {
    Scheduler scheduler;
    Bound receiver(scheduler, SOCK_DGRAM), sender(scheduler, SOCK_DGRAM);
    in_fiber(scheduler, [&] {
        CHECK(*sender.socket.send("abc", 0, &receiver.address, never) == 3);
        Result<std::string_view> peeked = receiver.socket.receive(2, MSG_PEEK, nullptr, never);
        REQUIRE(peeked);
        CHECK(*peeked == "ab");
        receiver.socket.received();
        peeked = receiver.socket.receive(2, MSG_PEEK | MSG_TRUNC, nullptr, never);
        REQUIRE(peeked);
        CHECK(*peeked == "ab");
        receiver.socket.received();
        CHECK(receive(receiver.socket) == text("abc"));
    });
}

TEST_CASE("what was received stays until it is taken") {
    Scheduler scheduler;
    TcpPair pair(scheduler);
    send_raw(pair.right, "first");
    in_fiber(scheduler, [&] {
        for (int i = 0; i < 3; ++i) {
            Result<std::string_view> data = pair.left.receive(100, 0, nullptr, overdue());
            REQUIRE(data);
            CHECK(*data == "first");
        }
        pair.left.received();
        send_raw(pair.right, "second");
        CHECK(receive(pair.left, 100) == text("second"));
    });
}

TEST_CASE("two fibers receive from one socket, each its own datagram") {
    Scheduler scheduler;
    Bound receiver(scheduler, SOCK_DGRAM), sender(scheduler, SOCK_DGRAM);
    std::string got;
    auto first = spawn(scheduler, [&] { got += receive(receiver.socket, 10).text; });
    auto second = spawn(scheduler, [&] { got += receive(receiver.socket, 10'000).text; });
    in_fiber(scheduler, [&] {
        until_parked(scheduler, *second);
        CHECK(*sender.socket.send("a", 0, &receiver.address, never) == 1);
        CHECK(*sender.socket.send("b", 0, &receiver.address, never) == 1);
        CHECK(scheduler.join(*first) == Error());
        CHECK(scheduler.join(*second) == Error());
    });
    CHECK(got == "ab");
}

TEST_CASE("a receiver that gives up takes nothing away from another that waits") {
    Scheduler scheduler;
    Bound receiver(scheduler, SOCK_DGRAM), sender(scheduler, SOCK_DGRAM);
    std::string large(50'000, 'd');
    auto patient = spawn(scheduler, [&] { CHECK(receive(receiver.socket) == text(large)); });
    in_fiber(scheduler, [&] {
        until_parked(scheduler, *patient);
        CHECK(receive(receiver.socket, 200'000, nullptr, overdue()) ==
              failure(std::errc::timed_out));
        CHECK(*sender.socket.send(large, 0, &receiver.address, never) == large.size());
    });
}

TEST_CASE("fibers that share a Unix datagram socket never see a message cut") {
    Scheduler scheduler;
    SocketPair pair(scheduler, SOCK_DGRAM);
    std::size_t total = 0, count = scaled(2000);
    spawn(scheduler, [&] {
        for (std::size_t i = 0; i < count; ++i) {
            std::string message(1 + i * 37 % 5000, 'm');
            CHECK(*pair.right.send(message, 0, nullptr, never) == message.size());
        }
        for (int i = 0; i < 3; ++i) CHECK(*pair.right.send("", 0, nullptr, never) == 0);
    });
    for (int i = 0; i < 3; ++i) {
        spawn(scheduler, [&] {
            for (Outcome got; !(got = receive(pair.left)).text.empty();) total += got.text.size();
        });
    }
    run(scheduler);
    std::size_t expected = 0;
    for (std::size_t i = 0; i < count; ++i) expected += 1 + i * 37 % 5000;
    CHECK(total == expected);
}

TEST_CASE("a flood of datagrams does not keep the others from running") {
    Scheduler scheduler;
    SocketPair pair(scheduler, SOCK_DGRAM);
    bool other_ran = false;
    in_fiber(scheduler, [&] {
        spawn(scheduler, [&] { other_ran = true; });
        int count = 0;
        for (; count < 1000 && !other_ran; ++count) {
            CHECK(*pair.right.send("x", 0, nullptr, never) == 1);
            CHECK(receive(pair.left) == text("x"));
        }
        CHECK(count <= 64);
    });
}

TEST_CASE("room that no memory can hold is ENOMEM and loses nothing") {
    Scheduler scheduler;
    SocketPair pair(scheduler, SOCK_DGRAM);
    send_raw(pair.right, "kept");
    in_fiber(scheduler, [&] {
        CHECK(receive(pair.left, SIZE_MAX / 8) == failure(std::errc::not_enough_memory));
        CHECK(receive(pair.left) == text("kept"));
    });
}
