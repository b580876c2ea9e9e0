#include <algorithm>

#include "runtime/socket.hpp"
#include "test/runtime/sockets.hpp"

using namespace coir;
using namespace coir::test;

namespace {

struct Written {
    Error error;
    std::size_t bytes = 0;
};

Written write_counted(Socket& socket, std::string_view data, Deadline deadline = never) {
    Written result;
    result.error = socket.write({&data, 1}, deadline, result.bytes);
    return result;
}

}  // namespace

TEST_CASE("a hundred megabytes reach a slow reader, and neither side keeps them") {
    Scheduler scheduler;
    std::size_t pieces = scaled(100);
    for (bool tcp : {false, true}) {
        TcpPair connection(scheduler);
        SocketPair local(scheduler);
        Socket& left = tcp ? connection.left : local.left;
        Socket& right = tcp ? connection.right : local.right;
        std::string block(1 << 20, 'b');
        std::vector<std::string_view> views(pieces, block);
        std::size_t before = resident_bytes(), peak = 0, total = 0, written = 0;
        spawn(scheduler, [&] {
            CHECK(left.write(views, never, written) == Error());
            (void)left.close();
        });
        in_fiber(scheduler, [&] {
            for (;;) {
                Result<std::size_t> n = right.fill_any(30'000, never);
                REQUIRE(n);
                if (*n == 0) break;
                total += *n;
                right.consume(*n);
                if (total % 100 == 0) peak = std::max(peak, resident_bytes());
                (void)scheduler.yield();
            }
        });
        CHECK(written == pieces << 20);
        CHECK(total == pieces << 20);
        if (!instrumented()) CHECK(peak < before + (8 << 20));
    }
}

TEST_CASE("a write that times out says how much went, and exactly that arrives") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    std::string much(3'000'000, 'w');
    in_fiber(scheduler, [&] {
        Written result = write_counted(pair.left, much, overdue());
        CHECK(result.error == std::errc::timed_out);
        CHECK(result.bytes > 0);
        CHECK(result.bytes < much.size());
        CHECK(write_counted(pair.left, "x", overdue()).error == std::errc::timed_out);
        CHECK(write_counted(pair.left, "x", overdue()).bytes == 0);
        (void)pair.left.close();
        CHECK(read(pair.right).text.size() == result.bytes);
    });
}

TEST_CASE("a write that is cancelled says how much went, and exactly that arrives") {
    Scheduler scheduler;
    TcpPair pair(scheduler);
    std::string much(30'000'000, 'w');
    Written result;
    auto writer = spawn(scheduler, [&] { result = write_counted(pair.left, much); });
    in_fiber(scheduler, [&] {
        until_parked(scheduler, *writer);
        CHECK(read(pair.right, 100'000).text.size() == 100'000);
        scheduler.cancel(*writer);
        CHECK(scheduler.join(*writer) == Error());
        CHECK(result.error == std::errc::operation_canceled);
        (void)pair.left.close();
        CHECK(read(pair.right).text.size() + 100'000 == result.bytes);
    });
}

TEST_CASE("a write whose reader goes away fails without a signal") {
    Scheduler scheduler;
    for (bool tcp : {false, true}) {
        TcpPair connection(scheduler);
        SocketPair local(scheduler);
        Socket& left = tcp ? connection.left : local.left;
        Socket& right = tcp ? connection.right : local.right;
        std::string much(30'000'000, 'w');
        Written result;
        auto writer = spawn(scheduler, [&] { result = write_counted(left, much); });
        in_fiber(scheduler, [&] {
            until_parked(scheduler, *writer);
            (void)right.close();
            CHECK(scheduler.join(*writer) == Error());
            CHECK((result.error == std::errc::broken_pipe ||
                   result.error == std::errc::connection_reset));
            CHECK(result.bytes > 0);
            CHECK(result.bytes < much.size());
            CHECK(write(left, "x") == std::errc::broken_pipe);
        });
    }
}

TEST_CASE("many pieces, empty ones among them, arrive as one") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    std::vector<std::string> texts;
    std::string whole;
    for (std::size_t i = 0; i < 700; ++i) {
        texts.push_back(i % 3 == 0 ? ""
                                   : std::string(i * 7 % 3000, static_cast<char>('a' + i % 26)));
        whole += texts.back();
    }
    std::vector<std::string_view> pieces(texts.begin(), texts.end());
    spawn(scheduler, [&] {
        std::size_t written = 0;
        CHECK(pair.left.write(pieces, never, written) == Error());
        CHECK(written == whole.size());
        (void)pair.left.close();
    });
    in_fiber(scheduler, [&] {
        std::string got;
        for (Outcome part; !(part = read_any(pair.right, 1000)).text.empty();) got += part.text;
        CHECK(got == whole);
    });
}

TEST_CASE("what is written at once is what the kernel takes without waiting") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    in_fiber(scheduler, [&] {
        std::uint64_t switches = scheduler.running()->switches();
        CHECK(*pair.left.write_at_once("hello") == 5);
        CHECK(read(pair.right, 5) == text("hello"));
        stuff(pair.left);
        CHECK(*pair.left.write_at_once("x") == 0);
        CHECK(scheduler.running()->switches() == switches);
        (void)pair.right.close();
    });
    SocketPair broken(scheduler);
    in_fiber(scheduler, [&] {
        (void)broken.right.close();
        CHECK(broken.left.write_at_once("x").error() == std::errc::broken_pipe);
    });
}

TEST_CASE("a write that has begun at once goes on before all others") {
    Scheduler scheduler;
    TcpPair pair(scheduler);
    std::string much(30'000'000, 'w');
    auto writer = spawn(scheduler, [&] {
        for (int i = 0; i < 62; ++i) CHECK(scheduler.checkpoint() == Error());
        CHECK(scheduler.proceeds());  // the next checkpoint yields
        Result<std::size_t> begun = pair.left.write_at_once(much);
        CHECK(*begun > 0);
        CHECK(*begun < much.size());
        std::string_view piece = much;
        CHECK(pair.left.write({&piece, 1}, never, *begun) == Error());
        CHECK(*begun == much.size());
    });
    auto other = spawn(scheduler, [&] {
        CHECK(*pair.left.write_at_once("x") == 0);
        CHECK(write(pair.left, "x") == Error());
        (void)pair.left.close();
    });
    in_fiber(scheduler, [&] {
        CHECK(scheduler.yield() == Error());
        bool undivided = read(pair.right).text == much + "x";
        CHECK(undivided);
        CHECK(scheduler.join(*writer) == Error());
        CHECK(scheduler.join(*other) == Error());
    });
}

TEST_CASE("writing nothing, in no piece or in empty ones, succeeds at once") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    std::vector<std::string_view> empty(300);
    in_fiber(scheduler, [&] {
        stuff(pair.left);
        for (auto pieces :
             {std::span<const std::string_view>(), std::span<const std::string_view>(empty)}) {
            std::size_t written = 0;
            CHECK(pair.left.write(pieces, overdue(), written) == Error());
            CHECK(written == 0);
        }
    });
}

TEST_CASE("several writers do not tear each other's data") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    constexpr std::size_t size = 500'000;
    int writers = 5;
    for (int i = 0; i < 5; ++i) {
        spawn(scheduler, [&, i] {
            std::string mine(size, static_cast<char>('a' + i));
            CHECK(write(pair.left, mine) == Error());
            if (--writers == 0) (void)pair.left.close();
        });
    }
    in_fiber(scheduler, [&] {
        std::string order;
        for (int i = 0; i < 5; ++i) {
            std::string block = read(pair.right, size).text;
            REQUIRE(block.size() == size);
            CHECK(block.find_first_not_of(block[0]) == std::string::npos);
            order += block[0];
        }
        CHECK(order == "abcde");  // and they take turns in order
        CHECK(read(pair.right) == text(""));
    });
}

TEST_CASE("a writer that gives up its place in the queue lets the next one write") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    std::string much(3'000'000, 'w');
    auto first = spawn(scheduler, [&] { CHECK(write(pair.left, much) == Error()); });
    auto cancelled = spawn(scheduler, [&] {
        Written result = write_counted(pair.left, "no");
        CHECK(result.error == std::errc::operation_canceled);
        CHECK(result.bytes == 0);
    });
    auto late =
        spawn(scheduler, [&] { CHECK(write(pair.left, "no", in_ms(1)) == std::errc::timed_out); });
    auto last = spawn(scheduler, [&] {
        CHECK(write(pair.left, "last") == Error());
        (void)pair.left.close();
    });
    in_fiber(scheduler, [&] {
        until_parked(scheduler, *last);
        scheduler.cancel(*cancelled);
        CHECK(scheduler.join(*late) == Error());
        CHECK(read(pair.right) == text(much + "last"));
    });
}

TEST_CASE("a writer that was handed its turn and then cancelled hands it on") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    std::string much(3'000'000, 'w');
    auto first = spawn(scheduler, [&] { (void)write(pair.left, much); });
    auto second =
        spawn(scheduler, [&] { CHECK(write(pair.left, "no") == std::errc::operation_canceled); });
    auto third = spawn(scheduler, [&] { CHECK(write(pair.left, "yes") == Error()); });
    in_fiber(scheduler, [&] {
        until_parked(scheduler, *third);
        scheduler.cancel(*first);
        (void)scheduler.yield();  // the first hands its turn to the second, which is ready now
        scheduler.cancel(*second);
        std::string got;
        while (!third->dead() || got.find('y') == std::string::npos)
            got += read_any(pair.right).text;
        CHECK(got.ends_with("wyes"));
    });
}

TEST_CASE("closing ends the write that is under way and those that wait for their turn") {
    Scheduler scheduler;
    for (bool gathers : {false, true}) {
        SocketPair pair(scheduler);
        pair.left.set_gathers(gathers);
        std::string much(3'000'000, 'w');
        std::vector<Error> seen;
        std::shared_ptr<Fiber> last;
        for (int i = 0; i < 3; ++i) {
            std::string_view data = i == 0 ? std::string_view(much) : "x";
            last = spawn(scheduler, [&, data] { seen.push_back(write(pair.left, data)); });
        }
        in_fiber(scheduler, [&] {
            until_parked(scheduler, *last);
            CHECK(pair.left.close() == Error());
            CHECK(scheduler.join(*last) == Error());
        });
        CHECK(seen == std::vector<Error>(3, std::errc::bad_file_descriptor));
    }
}

TEST_CASE("both sides read and write at the same time") {
    Scheduler scheduler;
    TcpPair pair(scheduler);
    std::string a(5'000'000, 'a'), b(5'000'000, 'b');
    spawn(scheduler, [&] { CHECK(write(pair.left, a) == Error()); });
    spawn(scheduler, [&] { CHECK(write(pair.right, b) == Error()); });
    spawn(scheduler, [&] { CHECK(read(pair.left, b.size()) == text(b)); });
    spawn(scheduler, [&] { CHECK(read(pair.right, a.size()) == text(a)); });
    run(scheduler);
}

TEST_CASE("a message that is too large for a datagram socket is EMSGSIZE and nothing goes") {
    Scheduler scheduler;
    SocketPair pair(scheduler, SOCK_DGRAM);
    std::string huge(10'000'000, 'h');
    in_fiber(scheduler, [&] {
        Written result = write_counted(pair.left, huge);
        CHECK(result.error == std::errc::message_size);
        CHECK(result.bytes == 0);
    });
}
