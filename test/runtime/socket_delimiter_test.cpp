#include "runtime/socket.hpp"
#include "test/runtime/sockets.hpp"

using namespace coir;
using namespace coir::test;

namespace {

constexpr auto timed_out = std::errc::timed_out;
constexpr auto too_long = std::errc::message_size;

// Reads one line of `bytes`, which arrive in pieces of the given sizes, the last size again and
// again.
Outcome line_from(std::string_view bytes, std::vector<std::size_t> sizes,
                  const std::vector<std::string_view>& delimiters, std::size_t max_line = 1 << 20) {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    pair.left.set_max_line(max_line);
    Outcome line;
    auto reader = spawn(scheduler, [&] { line = read_line(pair.left, delimiters); });
    in_fiber(scheduler, [&] {
        for (std::size_t i = 0; !bytes.empty(); ++i) {
            std::size_t size = std::min(bytes.size(), sizes[std::min(i, sizes.size() - 1)]);
            until_parked(scheduler, *reader);
            if (reader->dead()) return;
            send_raw(pair.right, bytes.substr(0, size));
            bytes.remove_prefix(size);
            while (reader->state() == Fiber::State::parked && !bytes.empty() &&
                   pair.left.buffered().size() == 0) {
                (void)scheduler.yield();
            }
        }
        until_parked(scheduler, *reader);
        if (!reader->dead()) (void)pair.right.close();
    });
    return line;
}

}  // namespace

TEST_CASE("a line is what comes up to and with its delimiter") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    send_raw(pair.right, "one\ntwo\n\nlast");
    in_fiber(scheduler, [&] {
        CHECK(read_line(pair.left) == text("one\n"));
        CHECK(read_line(pair.left) == text("two\n"));
        CHECK(read_line(pair.left) == text("\n"));
        CHECK(read_line(pair.left, {"\n"}, overdue()) == failure(timed_out));
        (void)pair.right.close();
        CHECK(read_line(pair.left) == text("last"));
        CHECK(read_line(pair.left) == text(""));
    });
}

TEST_CASE("a delimiter is found however the pieces fall in which it arrives") {
    std::string_view bytes = "ab--\r\n-->\r\n\r\nrest";
    for (std::size_t first = 1; first < bytes.size(); ++first) {
        for (std::size_t second : {1, 2, 3, 100}) {
            CAPTURE(first);
            CAPTURE(second);
            CHECK(line_from(bytes, {first, second}, {"\r\n\r\n"}) == text("ab--\r\n-->\r\n\r\n"));
            CHECK(line_from(bytes, {first, second}, {"-->"}) == text("ab--\r\n-->"));
            CHECK(line_from(bytes, {first, second}, {"-->", "\r\n", "b-"}) == text("ab-"));
        }
    }
}

TEST_CASE("of overlapping delimiters the one that ends first wins when they arrive together") {
    CHECK(line_from("xabcdx", {100}, {"abcd", "bc"}) == text("xabc"));
    CHECK(line_from("xabcdx", {1}, {"bcd", "abc"}) == text("xabc"));
    CHECK(line_from("one\r\ntwo", {1}, {"\n", "\r\n"}) == text("one\r\n"));
}

TEST_CASE("a delimiter that is its own prefix is not missed") {
    CHECK(line_from("aaaaab", {1}, {"aab"}) == text("aaaaab"));
    CHECK(line_from("aaaaab", {2, 3}, {"aab"}) == text("aaaaab"));
    CHECK(line_from("abababc", {3, 1}, {"ababc"}) == text("abababc"));
}

TEST_CASE("delimiters may hold any bytes, zeros too") {
    std::string_view zero("\0", 1), bytes("ab\0cd", 5);
    CHECK(line_from(bytes, {1}, {zero}) == text(std::string("ab\0", 3)));
    CHECK(line_from("x\xff\xfey", {1}, {"\xff\xfe"}) == text("x\xff\xfe"));
}

TEST_CASE("a limit ends a line before its delimiter") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    send_raw(pair.right, "abcdef\n");
    in_fiber(scheduler, [&] {
        CHECK(read_line(pair.left, {"\n"}, never, 4) == text("abcd"));
        CHECK(read_line(pair.left, {"\n"}, never, 4) == text("ef\n"));
        send_raw(pair.right, "abc\n");
        CHECK(read_line(pair.left, {"\n"}, never, 4) == text("abc\n"));
        send_raw(pair.right, "abc\r\n");
        CHECK(read_line(pair.left, {"\r\n"}, never, 4) == text("abc\r"));
        CHECK(read_line(pair.left, {"\r\n"}, overdue(), 4) == failure(timed_out));
    });
}

TEST_CASE("a long line that is read with many timeouts comes out right") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    std::string line;
    std::string piece(997, 'l');
    in_fiber(scheduler, [&] {
        while (line.size() < 900'000) {
            send_raw(pair.right, piece);
            line += piece;
            REQUIRE(read_line(pair.left, {"\r\n", "\n\n"}, overdue()) == failure(timed_out));
        }
        send_raw(pair.right, "\r");
        CHECK(read_line(pair.left, {"\r\n", "\n\n"}, overdue()) == failure(timed_out));
        send_raw(pair.right, "\nnext\n\n");
        CHECK(read_line(pair.left, {"\r\n", "\n\n"}) == text(line + "\r\n"));
        CHECK(read_line(pair.left, {"\r\n", "\n\n"}) == text("next\n\n"));
    });
}

TEST_CASE("a search for other delimiters starts anew") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    std::string_view zero("\0", 1), a_zero_b("a\0b", 3);
    in_fiber(scheduler, [&] {
        send_raw(pair.right, "one two;three a four");
        CHECK(read_line(pair.left, {"\n"}, overdue()) == failure(timed_out));
        CHECK(read_line(pair.left, {" "}, overdue()) == text("one "));
        CHECK(read_line(pair.left, {"\n", "!"}, overdue()) == failure(timed_out));
        CHECK(read_line(pair.left, {"!", "\n", ";"}, overdue()) == text("two;"));
        CHECK(read_line(pair.left, {"!"}, overdue()) == failure(timed_out));
        CHECK(read_line(pair.left, {"!", "t"}, overdue()) == text("t"));
        CHECK(read_line(pair.left, {a_zero_b}, overdue()) == failure(timed_out));
        CHECK(read_line(pair.left, {"a", "b"}, overdue()) == text("hree a"));
        CHECK(read_line(pair.left, {"x", zero}, overdue()) == failure(timed_out));
        CHECK(read_line(pair.left, {"fo", "x"}, overdue()) == text(" fo"));
        CHECK(read_line(pair.left, {"nn", "n"}, overdue()) == failure(timed_out));
        CHECK(read_line(pair.left, {"r"}, overdue()) == text("ur"));
    });
}

TEST_CASE("what happens between two searches for the same delimiters does not mislead the second") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    in_fiber(scheduler, [&] {
        send_raw(pair.right, "abcdef");
        CHECK(read_line(pair.left, {"\n"}, overdue()) == failure(timed_out));
        CHECK(pair.left.unread("new\n") == Error());
        CHECK(read_line(pair.left, {"\n"}, overdue()) == text("new\n"));
        CHECK(read_line(pair.left, {"\n"}, overdue()) == failure(timed_out));
        CHECK(read(pair.left, 4) == text("abcd"));
        send_raw(pair.right, "\ngh");
        CHECK(read_line(pair.left, {"\n"}, overdue()) == text("ef\n"));
        CHECK(read_line(pair.left, {"\n"}, overdue()) == failure(timed_out));
        CHECK(read_line(pair.left, {"\n"}, overdue(), 1) == text("g"));
        CHECK(read_line(pair.left, {"\n"}, overdue(), 1) == text("h"));
    });
}

TEST_CASE("a line that is too long is EMSGSIZE, and its bytes stay") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    CHECK(pair.left.max_line() == Socket::default_max_line);
    pair.left.set_max_line(10);
    in_fiber(scheduler, [&] {
        send_raw(pair.right, "0123456789abc\nnext\n");
        for (int i = 0; i < 3; ++i) CHECK(read_line(pair.left) == failure(too_long));
        CHECK(read(pair.left, 4) == text("0123"));
        CHECK(read_line(pair.left) == text("456789abc\n"));
        CHECK(read_line(pair.left) == text("next\n"));
    });
}

TEST_CASE("whether a line is too long does not depend on how it arrives") {
    std::string_view exact = "012345678\nrest", longer = "0123456789\nrest";
    for (std::size_t size : {1, 3, 9, 10, 11, 100}) {
        CAPTURE(size);
        CHECK(line_from(exact, {size}, {"\n"}, 10) == text("012345678\n"));
        CHECK(line_from(longer, {size}, {"\n"}, 10) == failure(too_long));
    }
}

TEST_CASE("a limit within the longest line counts, and reading without delimiters has none") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    pair.left.set_max_line(10);
    send_raw(pair.right, std::string(50, 'x'));
    in_fiber(scheduler, [&] {
        CHECK(read_line(pair.left, {"\n"}, never, 10) == text(std::string(10, 'x')));
        CHECK(read_line(pair.left, {"\n"}, never, 11) == failure(too_long));
        CHECK(read(pair.left, 40) == text(std::string(40, 'x')));
    });
}

TEST_CASE("ten megabytes without an end in a line of one megabyte are EMSGSIZE") {
    Scheduler scheduler;
    TcpPair pair(scheduler);
    std::string block(1 << 20, 'x');
    auto writer = spawn(scheduler, [&] {
        for (int i = 0; i < 10; ++i) {
            if (write(pair.right, block)) return;
        }
    });
    in_fiber(scheduler, [&] {
        CHECK(read_line(pair.left) == failure(too_long));
        CHECK(pair.left.buffered().size() < 4u << 20);
        scheduler.cancel(*writer);
    });
}

TEST_CASE("a connection that waits for the rest of its line holds little memory") {
    if (instrumented()) return;
    Scheduler scheduler;
    std::vector<std::unique_ptr<SocketPair>> pairs;
    for (int i = 0; i < 100; ++i) pairs.push_back(std::make_unique<SocketPair>(scheduler));
    in_fiber(scheduler, [&] {
        std::size_t before = allocated_bytes();
        for (auto& pair : pairs) {
            send_raw(pair->right, "half a line");
            CHECK(read_line(pair->left, {"\n"}, overdue()) == failure(timed_out));
        }
        CHECK(allocated_bytes() < before + 100u * 20'000);
    });
}
