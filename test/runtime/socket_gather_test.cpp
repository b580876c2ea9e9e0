#include <list>
#include <thread>

#include "runtime/socket.hpp"
#include "test/runtime/sockets.hpp"

using namespace coir;
using namespace coir::test;

namespace {

constexpr auto nothing_yet = std::errc::resource_unavailable_try_again;

struct Gathering : SocketPair {
    explicit Gathering(Scheduler& scheduler) : SocketPair(scheduler) { left.set_gathers(true); }
    Outcome arrived() { return receive(right, 100'000, nullptr, immediate); }
};

// Reads until `size` bytes have come, and returns them.
std::string collect(Socket& socket, std::size_t size) {
    std::string got;
    while (got.size() < size) {
        Outcome part = read_any(socket);
        if (part.error || part.text.empty()) break;
        got += part.text;
    }
    return got;
}

}  // namespace

TEST_CASE("output is not gathered unless that is asked for") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    CHECK_FALSE(pair.left.gathers());
    in_fiber(scheduler, [&] {
        CHECK(write(pair.left, "now") == Error());
        CHECK_FALSE(pair.left.has_gathered());
        CHECK(receive(pair.right, 10, nullptr, immediate) == text("now"));
    });
}

TEST_CASE("gathered output leaves in one piece before the fiber is left") {
    Scheduler scheduler;
    Gathering pair(scheduler);
    in_fiber(scheduler, [&] {
        for (std::string_view piece : {"a", "b", "c"}) CHECK(write(pair.left, piece) == Error());
        CHECK(pair.left.has_gathered());
        CHECK(pair.arrived() == failure(nothing_yet));
        CHECK(scheduler.yield() == Error());
        CHECK_FALSE(pair.left.has_gathered());
        CHECK(pair.arrived() == text("abc"));
    });
}

TEST_CASE("a piece is gathered at once while it fits") {
    Scheduler scheduler;
    Gathering pair(scheduler);
    std::string much(Socket::gather_limit - 1, 'm');
    in_fiber(scheduler, [&] {
        CHECK(*pair.left.write_at_once(much) == much.size());
        CHECK(*pair.left.write_at_once("x") == 0);
        CHECK(pair.arrived() == failure(nothing_yet));
        CHECK(scheduler.yield() == Error());
        CHECK(collect(pair.right, much.size()) == much);
    });
}

TEST_CASE("gathered output keeps no memory once it is sent") {
    if (instrumented()) return;
    Scheduler scheduler;
    std::list<Gathering> pairs;
    for (int i = 0; i < 100; ++i) pairs.emplace_back(scheduler);
    in_fiber(scheduler, [&] {
        std::size_t before = allocated_bytes();
        for (Gathering& pair : pairs) CHECK(write(pair.left, "x") == Error());
        CHECK(scheduler.yield() == Error());
        CHECK(allocated_bytes() < before + 32 * BlockPool::block_size);
    });
}

TEST_CASE("gathered output leaves at every kind of departure") {
    Scheduler scheduler;
    Gathering pair(scheduler);
    WaitList list("test");
    Task child([] {});
    in_fiber(scheduler, [&] {
        CHECK(write(pair.left, "park") == Error());
        (void)scheduler.park(list, overdue());
        CHECK(pair.arrived() == text("park"));
        CHECK(write(pair.left, "start") == Error());
        CHECK(scheduler.start_now(child) == Error());
        CHECK(pair.arrived() == text("start"));
        CHECK(write(pair.left, "read") == Error());
        CHECK(read(pair.left, 1, overdue()) == failure(std::errc::timed_out));
        CHECK(pair.arrived() == text("read"));
        CHECK(write(pair.left, "end") == Error());
    });
    CHECK(pair.arrived() == text("end"));
}

TEST_CASE("a flush sends what is gathered at once") {
    Scheduler scheduler;
    Gathering pair(scheduler);
    in_fiber(scheduler, [&] {
        CHECK(pair.left.flush(never) == Error());
        CHECK(write(pair.left, "abc") == Error());
        CHECK(pair.left.flush(never) == Error());
        CHECK(pair.arrived() == text("abc"));
        CHECK(pair.left.flush(overdue()) == Error());
    });
}

TEST_CASE("what does not fit into the gathering limit is sent, in order") {
    Scheduler scheduler;
    Gathering pair(scheduler);
    std::string large(Socket::gather_limit, 'l'), whole = "small" + large + "end";
    std::string got;
    spawn(scheduler, [&] { got = collect(pair.right, whole.size()); });
    in_fiber(scheduler, [&] {
        CHECK(write(pair.left, "small") == Error());
        CHECK(write(pair.left, large) == Error());
        CHECK_FALSE(pair.left.has_gathered());
        CHECK(write(pair.left, "end") == Error());
    });
    CHECK(got == whole);
}

TEST_CASE("what the kernel does not take follows in the background") {
    Scheduler scheduler;
    Gathering pair(scheduler);
    in_fiber(scheduler, [&] {
        std::size_t stuffed = stuff(pair.left);
        CHECK(write(pair.left, "background") == Error());
        CHECK(scheduler.yield() == Error());
        CHECK(pair.left.has_gathered());
        std::string got = collect(pair.right, stuffed);
        while (got.size() < stuffed + 10) got += read_any(pair.right).text;
        CHECK(got.substr(stuffed) == "background");
        CHECK_FALSE(pair.left.has_gathered());
    });
}

TEST_CASE("the program does not end before the background has sent everything") {
    Scheduler scheduler;
    Gathering pair(scheduler);
    std::size_t stuffed = stuff(pair.left);
    std::thread reader;
    in_fiber(scheduler, [&] {
        CHECK(write(pair.left, "background") == Error());
        // The last fiber ends; the reader is no fiber.
        reader = std::thread([&pair, stuffed] {
            std::string got(stuffed + 10, ' ');
            std::size_t size = 0;
            while (size < got.size()) {
                ssize_t n = ::recv(pair.right.fd(), got.data() + size, got.size() - size, 0);
                if (n > 0) size += static_cast<std::size_t>(n);
                if (n == 0 || (n < 0 && errno != EAGAIN)) break;
            }
            if (!got.ends_with("background")) std::abort();
        });
    });
    CHECK_FALSE(pair.left.has_gathered());
    (void)pair.left.shutdown(SHUT_WR);
    reader.join();
}

TEST_CASE("while the background sends, more output queues up behind it, to the limit") {
    Scheduler scheduler;
    Gathering pair(scheduler);
    std::size_t stuffed = stuff(pair.left);
    std::string expected, got;
    auto writer = spawn(scheduler, [&] {
        for (int i = 0; i < 3000; ++i) {
            std::string line = "line " + std::to_string(i) + " " + std::string(90, '.') + "\n";
            expected += line;
            CHECK(write(pair.left, line) == Error());
        }
        CHECK(pair.left.flush(never) == Error());
        (void)pair.left.close();
    });
    in_fiber(scheduler, [&] {
        until_parked(scheduler, *writer);
        CHECK(expected.size() < 2 * Socket::gather_limit);
        got = read(pair.right).text;
    });
    CHECK(got.substr(stuffed) == expected);
}

TEST_CASE("an error of the background is shown by the next write or flush, once") {
    Scheduler scheduler;
    for (bool flushes : {false, true}) {
        Gathering pair(scheduler);
        in_fiber(scheduler, [&] {
            stuff(pair.left);
            CHECK(write(pair.left, "lost") == Error());
            CHECK(scheduler.yield() == Error());
            (void)pair.right.close();
            for (int i = 0; i < 3; ++i) (void)scheduler.yield();
            CHECK_FALSE(pair.left.has_gathered());
            Error error = flushes ? pair.left.flush(never) : write(pair.left, "next");
            CHECK((error == std::errc::broken_pipe || error == std::errc::connection_reset));
            CHECK(pair.left.flush(never) == Error());
        });
    }
}

TEST_CASE("a flush that waits while the background fails does not claim success") {
    Scheduler scheduler;
    Gathering pair(scheduler);
    stuff(pair.left);
    Error seen;
    auto writer = spawn(scheduler, [&] {
        CHECK(write(pair.left, "lost") == Error());
        CHECK(scheduler.yield() == Error());
        seen = pair.left.flush(never);
    });
    in_fiber(scheduler, [&] {
        for (int i = 0; i < 3; ++i) (void)scheduler.yield();
        until_parked(scheduler, *writer);
        (void)pair.right.close();
    });
    CHECK((seen == std::errc::broken_pipe || seen == std::errc::connection_reset));
}

TEST_CASE("a flush that times out keeps what is left") {
    Scheduler scheduler;
    Gathering pair(scheduler);
    in_fiber(scheduler, [&] {
        std::size_t stuffed = stuff(pair.left);
        CHECK(write(pair.left, "kept") == Error());
        CHECK(pair.left.flush(overdue()) == std::errc::timed_out);
        CHECK(pair.left.has_gathered());
        std::string got = collect(pair.right, stuffed + 4);
        CHECK(got.substr(stuffed) == "kept");
        CHECK(pair.left.flush(never) == Error());
    });
}

TEST_CASE("closing sends what is gathered, and so do detaching and shutting down") {
    Scheduler scheduler;
    for (int way : {0, 1, 2}) {
        Gathering pair(scheduler);
        in_fiber(scheduler, [&] {
            CHECK(write(pair.left, "last words") == Error());
            int fd = -1;
            if (way == 0) CHECK(pair.left.close() == Error());
            if (way == 1) CHECK(pair.left.shutdown(SHUT_WR) == Error());
            if (way == 2) fd = pair.left.detach();
            if (fd >= 0) ::close(fd);
            CHECK(read(pair.right) == text("last words"));
        });
    }
}

TEST_CASE("a socket that is closed with output in the background holds nobody up") {
    Scheduler scheduler;
    Gathering pair(scheduler);
    stuff(pair.left);
    in_fiber(scheduler, [&] {
        CHECK(write(pair.left, "never sent") == Error());
        CHECK(scheduler.yield() == Error());
        CHECK(pair.left.close() == Error());
    });
    CHECK(scheduler.done());
}

TEST_CASE("a socket may be gone before its writer is left") {
    Scheduler scheduler;
    in_fiber(scheduler, [&] {
        auto pair = std::make_unique<Gathering>(scheduler);
        CHECK(write(pair->left, "x") == Error());
        pair.reset();
        CHECK(scheduler.yield() == Error());
    });
}

TEST_CASE("who writes small pieces for ever lets the others run") {
    Scheduler scheduler;
    Gathering pair(scheduler);
    bool other_ran = false;
    in_fiber(scheduler, [&] {
        spawn(scheduler, [&] { other_ran = true; });
        int writes = 0;
        for (; writes < 1000 && !other_ran; ++writes) CHECK(write(pair.left, "x") == Error());
        CHECK(writes <= 64);
    });
}

TEST_CASE("gathering can be switched off with output waiting, and nothing changes places") {
    Scheduler scheduler;
    Gathering pair(scheduler);
    in_fiber(scheduler, [&] {
        CHECK(write(pair.left, "first") == Error());
        CHECK(pair.left.has_gathered());
        pair.left.set_gathers(false);
        CHECK(!pair.left.has_gathered());
        CHECK(write(pair.left, "second") == Error());
        CHECK(pair.arrived() == text("firstsecond"));
    });
}
