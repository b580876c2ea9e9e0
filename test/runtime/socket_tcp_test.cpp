#include <netinet/tcp.h>

#include "runtime/socket.hpp"
#include "test/runtime/sockets.hpp"

using namespace coir;
using namespace coir::test;

namespace {

void set(const Socket& socket, int level, int name, int value) {
    REQUIRE(::setsockopt(socket.fd(), level, name, &value, sizeof value) == 0);
}

// Closes with a reset instead of an end of stream.
void reset(Socket& socket) {
    linger hard{1, 0};
    ::setsockopt(socket.fd(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    CHECK(socket.close() == Error());
}

// Gives the loopback device's packets the time to arrive: those of one connection come in order.
void settle(Scheduler& scheduler) {
    for (int i = 0; i < 5; ++i) (void)scheduler.yield();
}

}  // namespace

TEST_CASE("an end of stream that comes together with the last bytes is not missed") {
    Scheduler scheduler;
    for (int round = 0; round < 20; ++round) {
        TcpPair pair(scheduler);
        auto reader = spawn(scheduler, [&] {
            CHECK(read(pair.left, 5) == text("first"));
            CHECK(read(pair.left) == text("last"));
            CHECK(read(pair.left) == text(""));
        });
        in_fiber(scheduler, [&] {
            until_parked(scheduler, *reader);
            send_raw(pair.right, "first");
            if (round % 2 == 0) settle(scheduler);
            send_raw(pair.right, "last");
            (void)pair.right.close();
        });
        CHECK(reader->dead());
    }
}

TEST_CASE("an end of stream that came before anybody read is not missed") {
    Scheduler scheduler;
    TcpPair pair(scheduler);
    send_raw(pair.right, "all");
    (void)pair.right.close();
    in_fiber(scheduler, [&] {
        CHECK(receive(pair.left, 100) == text("all"));
        CHECK(receive(pair.left, 100) == text(""));
        CHECK(receive(pair.left, 100) == text(""));
        CHECK(read(pair.left) == text(""));
    });
}

TEST_CASE("ordinary data behind urgent data is neither lost nor late") {
    Scheduler scheduler;
    TcpPair pair(scheduler);
    auto reader = spawn(scheduler, [&] { CHECK(read(pair.left, 9) == text("onetwosix")); });
    in_fiber(scheduler, [&] {
        until_parked(scheduler, *reader);
        send_raw(pair.right, "one");
        send_raw(pair.right, "!", MSG_OOB);
        send_raw(pair.right, "two");
        settle(scheduler);
        send_raw(pair.right, "?", MSG_OOB);
        send_raw(pair.right, "six");
        CHECK(scheduler.join(*reader, in_ms(5000)) == Error());
        scheduler.cancel(*reader);
    });
}

TEST_CASE("urgent data that came before anybody read does not stop the read that follows") {
    Scheduler scheduler;
    TcpPair pair(scheduler);
    send_raw(pair.right, "one");
    send_raw(pair.right, "!", MSG_OOB);
    send_raw(pair.right, "two");
    in_fiber(scheduler, [&] { CHECK(read(pair.left, 6, in_ms(5000)) == text("onetwo")); });
}

TEST_CASE("urgent data between two reads does not stop the second") {
    Scheduler scheduler;
    TcpPair pair(scheduler);
    in_fiber(scheduler, [&] {
        CHECK(receive(pair.left, 100, nullptr, overdue()) == failure(std::errc::timed_out));
        send_raw(pair.right, "a");
        CHECK(receive(pair.left, 100) == text("a"));
        for (int i = 0; i < 10; ++i) {
            send_raw(pair.right, "b");
            send_raw(pair.right, "!", MSG_OOB);
            send_raw(pair.right, "c");
            std::string got;
            while (got.size() < 2) {
                Outcome part = receive(pair.left, 100, nullptr, in_ms(5000));
                REQUIRE(part.error == Error());
                got += part.text;
            }
            CHECK(got == "bc");
        }
    });
}

TEST_CASE("urgent data can be received by itself") {
    if (on_libkqueue) return;
    Scheduler scheduler;
    TcpPair pair(scheduler);
    send_raw(pair.right, "!", MSG_OOB);
    in_fiber(scheduler, [&] {
        CHECK(pair.left.descriptor().wait(readable, in_ms(5000)));
        Result<std::string_view> byte = pair.left.receive(1, MSG_OOB, nullptr, in_ms(5000));
        REQUIRE(byte);
        CHECK(*byte == "!");
        pair.left.received();
    });
}

TEST_CASE("a reset is an error for whoever reads or writes") {
    if (on_libkqueue) return;
    Scheduler scheduler;
    TcpPair pair(scheduler);
    auto reader = spawn(scheduler, [&] {
        CHECK(read(pair.left, 10) == failure(std::errc::connection_reset));
        CHECK(write(pair.left, "x") == std::errc::broken_pipe);
    });
    in_fiber(scheduler, [&] {
        until_parked(scheduler, *reader);
        reset(pair.right);
    });
}

TEST_CASE("what arrived before a reset and was read before it is kept") {
    if (on_libkqueue) return;
    Scheduler scheduler;
    TcpPair pair(scheduler);
    auto reader = spawn(scheduler, [&] {
        CHECK(read(pair.left, 10) == failure(std::errc::connection_reset));
        CHECK(pair.left.buffered() == "abc");
    });
    in_fiber(scheduler, [&] {
        until_parked(scheduler, *reader);
        send_raw(pair.right, "abc");
        while (pair.left.buffered().empty()) (void)scheduler.yield();
        reset(pair.right);
    });
}

TEST_CASE("a reader with SO_RCVLOWAT wakes for enough bytes, and for the end before them") {
    Scheduler scheduler;
    TcpPair pair(scheduler);
    set(pair.left, SOL_SOCKET, SO_RCVLOWAT, 10);
    auto reader = spawn(scheduler, [&] {
        CHECK(read_any(pair.left) == text("0123456789"));
        CHECK(read(pair.left, 10) == text("abc"));
    });
    in_fiber(scheduler, [&] {
        until_parked(scheduler, *reader);
        send_raw(pair.right, "01234");
        settle(scheduler);
        CHECK(reader->state() == Fiber::State::parked);
        send_raw(pair.right, "56789");
        settle(scheduler);
        send_raw(pair.right, "abc");
        settle(scheduler);
        (void)pair.right.close();
    });
    CHECK(reader->dead());
}

TEST_CASE("a socket option that makes bytes available wakes the reader") {
    Scheduler scheduler;
    TcpPair pair(scheduler);
    set(pair.left, SOL_SOCKET, SO_RCVLOWAT, 10);
    auto reader = spawn(scheduler, [&] { CHECK(read_any(pair.left) == text("abc")); });
    in_fiber(scheduler, [&] {
        until_parked(scheduler, *reader);
        send_raw(pair.right, "abc");
        settle(scheduler);
        set(pair.left, SOL_SOCKET, SO_RCVLOWAT, 1);
        CHECK(scheduler.join(*reader, in_ms(5000)) == Error());
        scheduler.cancel(*reader);
    });
}

TEST_CASE("a request and its answer take one read and one write each") {
    Scheduler scheduler;
    TcpPair pair(scheduler);
    std::size_t rounds = scaled(5000);
    spawn(scheduler, [&] {
        for (std::size_t i = 0; i < rounds; ++i) {
            CHECK(write(pair.right, read(pair.right, 64).text) == Error());
        }
    });
    in_fiber(scheduler, [&] {
        std::string message(64, 'm');
        for (std::size_t i = 0; i < rounds; ++i) {
            CHECK(write(pair.left, message) == Error());
            REQUIRE(read(pair.left, 64) == text(message));
        }
    });
}

TEST_CASE("bytes that trickle in one by one are all there") {
    Scheduler scheduler;
    TcpPair pair(scheduler);
    set(pair.right, IPPROTO_TCP, TCP_NODELAY, 1);
    std::string whole(scaled(5000), 't');
    spawn(scheduler, [&] {
        for (char byte : whole) {
            CHECK(write(pair.right, {&byte, 1}) == Error());
            if (byte % 3 == 0) (void)scheduler.yield();
        }
        (void)pair.right.close();
    });
    in_fiber(scheduler, [&] { CHECK(read(pair.left) == text(whole)); });
}

TEST_CASE("a thousand connections talk at once") {
    Scheduler scheduler;
    std::vector<std::unique_ptr<TcpPair>> pairs;
    std::size_t count = scaled(1000, 10), answered = 0;
    for (std::size_t i = 0; i < count; ++i) pairs.push_back(std::make_unique<TcpPair>(scheduler));
    for (auto& pair : pairs) {
        spawn(scheduler, [&pair = *pair] {
            for (;;) {
                Outcome line = read_line(pair.right);
                if (line.text.empty()) break;
                CHECK(write(pair.right, line.text) == Error());
            }
        });
        spawn(scheduler, [&, &pair = *pair] {
            for (int i = 0; i < 10; ++i) {
                CHECK(write(pair.left, "hello\n") == Error());
                CHECK(read_line(pair.left) == text("hello\n"));
            }
            (void)pair.left.close();
            ++answered;
        });
    }
    run(scheduler);
    CHECK(answered == count);
}
