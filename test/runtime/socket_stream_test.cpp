#include <fcntl.h>

#include "runtime/socket.hpp"
#include "test/runtime/sockets.hpp"

using namespace coir;
using namespace coir::test;

namespace {

constexpr auto timed_out = std::errc::timed_out;
constexpr auto busy = std::errc::device_or_resource_busy;

// A descriptor that always has data and never makes its reader wait.
struct Flood {
    explicit Flood(Scheduler& scheduler) : socket(scheduler) {
        REQUIRE(socket.adopt(::open("/dev/zero", O_RDONLY), false) == Error());
    }
    Socket socket;
};

}  // namespace

TEST_CASE("a read of so many bytes waits for all of them and leaves the rest") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    auto reader = spawn(scheduler, [&] {
        CHECK(read(pair.left, 5) == text("abcde"));
        CHECK(pair.left.buffered() == "f");
        CHECK(read(pair.left, 1) == text("f"));
    });
    in_fiber(scheduler, [&] {
        for (std::string_view piece : {"a", "bc", "", "def"}) {
            until_parked(scheduler, *reader);
            CHECK(write(pair.right, piece) == Error());
        }
    });
    CHECK(reader->dead());
}

TEST_CASE("a read of nothing does not wait") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    in_fiber(scheduler, [&] {
        CHECK(read(pair.left, 0) == text(""));
        CHECK(read_any(pair.left, 0) == text(""));
        CHECK(read_line(pair.left, {"\n"}, never, 0) == text(""));
    });
}

TEST_CASE("a read without a limit goes on to the end of the stream, which stays") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    std::string much(3'000'000, 'm');
    spawn(scheduler, [&] {
        CHECK(write(pair.right, much) == Error());
        (void)pair.right.close();
    });
    in_fiber(scheduler, [&] {
        CHECK(read(pair.left) == text(much));
        for (int i = 0; i < 3; ++i) {
            CHECK(read(pair.left) == text(""));
            CHECK(read(pair.left, 10) == text(""));
            CHECK(read_any(pair.left) == text(""));
            CHECK(read_line(pair.left) == text(""));
        }
    });
}

TEST_CASE("at the end of the stream a read gets what there is") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    send_raw(pair.right, "short");
    (void)pair.right.close();
    in_fiber(scheduler, [&] {
        CHECK(read(pair.left, 100) == text("short"));
        CHECK(read(pair.left, 100) == text(""));
    });
}

TEST_CASE("what was received before a timeout, a cancellation or a close stays in the buffer") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    send_raw(pair.right, "ab");
    in_fiber(scheduler, [&] {
        CHECK(read(pair.left, 10, overdue()) == failure(timed_out));
        CHECK(pair.left.buffered() == "ab");
        auto reader = spawn(scheduler, [&] {
            CHECK(read(pair.left, 10) == failure(std::errc::operation_canceled));
        });
        until_parked(scheduler, *reader);
        send_raw(pair.right, "cd");
        for (int i = 0; i < 3; ++i) (void)scheduler.yield();
        scheduler.cancel(*reader);
        CHECK(scheduler.join(*reader) == Error());
        CHECK(pair.left.buffered() == "abcd");
        auto second = spawn(scheduler, [&] {
            CHECK(read_line(pair.left) == failure(std::errc::bad_file_descriptor));
        });
        until_parked(scheduler, *second);
        send_raw(pair.right, "ef");
        for (int i = 0; i < 3; ++i) (void)scheduler.yield();
        CHECK(pair.left.close() == Error());
        CHECK(scheduler.join(*second) == Error());
        CHECK(pair.left.buffered() == "abcdef");
        CHECK(read(pair.left, 6) == text("abcdef"));
        CHECK(read(pair.left, 1) == failure(std::errc::bad_file_descriptor));
    });
}

TEST_CASE("an interrupted read loses nothing") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    send_raw(pair.right, "ab");
    auto reader = spawn(scheduler, [&] {
        CHECK(read(pair.left, 4) == failure(std::errc::interrupted));
        CHECK(read(pair.left, 4) == text("abcd"));
    });
    in_fiber(scheduler, [&] {
        until_parked(scheduler, *reader);
        scheduler.interrupt(*reader);
        send_raw(pair.right, "cd");
    });
}

TEST_CASE("reading whatever arrives takes what is buffered first") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    send_raw(pair.right, "abcdef");
    in_fiber(scheduler, [&] {
        CHECK(read_any(pair.left, 2) == text("ab"));
        send_raw(pair.right, "gh");
        CHECK(read_any(pair.left) == text("cdef"));
        CHECK(read_any(pair.left) == text("gh"));
        CHECK(read_any(pair.left, 10, overdue()) == failure(timed_out));
    });
}

TEST_CASE("what is put back is read first") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    in_fiber(scheduler, [&] {
        CHECK(pair.left.unread("put\nback") == Error());
        send_raw(pair.right, " and sent\n");
        CHECK(read_line(pair.left) == text("put\n"));
        CHECK(read_line(pair.left) == text("back and sent\n"));
    });
}

TEST_CASE("a second reader is EBUSY, and the first goes on undisturbed") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    auto reader = spawn(scheduler, [&] { CHECK(read(pair.left, 4) == text("abcd")); });
    in_fiber(scheduler, [&] {
        until_parked(scheduler, *reader);
        send_raw(pair.right, "ab");
        CHECK(read(pair.left, 1) == failure(busy));
        CHECK(read_any(pair.left) == failure(busy));
        CHECK(read_line(pair.left) == failure(busy));
        CHECK(pair.left.unread("no") == busy);
        CHECK(write(pair.left, "x") == Error());  // one may write while another reads
        send_raw(pair.right, "cd");
        CHECK(scheduler.join(*reader) == Error());
        send_raw(pair.right, "e");
        CHECK(read(pair.left, 1) == text("e"));
    });
}

TEST_CASE("a second reader is EBUSY also when the first had to let others run before it began") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    for (auto any : {false, true}) {
        int refused = 0, served = 0;
        auto one_read = [&] {
            Error error = any ? read_any(pair.left).error : read(pair.left, 1).error;
            error ? ++refused : ++served;
            if (error) CHECK(error == busy);
        };
        auto slow = spawn(scheduler, [&] {
            for (int i = 0; i < 63; ++i) CHECK(scheduler.checkpoint() == Error());
            one_read();  // its checkpoint yields
        });
        auto other = spawn(scheduler, one_read);
        in_fiber(scheduler, [&] {
            for (int i = 0; i < 5; ++i) (void)scheduler.yield();
            send_raw(pair.right, "x");
            CHECK(scheduler.join(*slow) == Error());
            CHECK(scheduler.join(*other) == Error());
        });
        CHECK(refused == 1);
        CHECK(served == 1);
    }
}

TEST_CASE("a read from a flood lets the others run and does not outlive its deadline") {
    Scheduler scheduler;
    Flood flood(scheduler);
    std::size_t limit = 200 << 20;
    in_fiber(scheduler, [&] {
        bool other_ran = false;
        Fiber* reader = scheduler.running();
        spawn(scheduler, [&] {
            other_ran = true;
            scheduler.cancel(*reader);
        });
        Result<std::size_t> n = flood.socket.fill({limit, {}}, never);
        CHECK(other_ran);
        CHECK(n.error() == std::errc::operation_canceled);
        CHECK(flood.socket.buffered().size() < limit);
        CHECK_FALSE(flood.socket.buffered().empty());
    });
    in_fiber(scheduler, [&] {
        CHECK(flood.socket.fill({SIZE_MAX, {}}, in_ms(3)).error() == timed_out);
    });
}

TEST_CASE("a read that memory cannot hold is ENOMEM and keeps what it has") {
    if (instrumented()) return;
    int status = in_child([] {
        Scheduler scheduler;
        SocketPair pair(scheduler);
        send_raw(pair.right, "kept");
        Flood flood(scheduler);
        int result = 1;
        (void)scheduler.spawn([&] {
            if (read(pair.left, 10, overdue()).error != timed_out) return;
            limit_address_space(100 << 20);
            Error error = flood.socket.fill({SIZE_MAX, {}}, never).error();
            if (error != std::errc::not_enough_memory) return;
            result =
                flood.socket.buffered().size() > 1 << 20 && pair.left.buffered() == "kept" ? 0 : 2;
        });
        return scheduler.run() ? 3 : result;
    });
    CHECK(exited_well(status));
}

TEST_CASE("a pipe is read and written like a stream") {
    Scheduler scheduler;
    Pipe pipe(scheduler);
    std::string much(1'000'000, 'p');
    spawn(scheduler, [&] {
        CHECK(write(pipe.writer, "line\n") == Error());
        CHECK(write(pipe.writer, much) == Error());
        (void)pipe.writer.close();
    });
    in_fiber(scheduler, [&] {
        CHECK(read_line(pipe.reader) == text("line\n"));
        CHECK(read(pipe.reader) == text(much));
        CHECK(read(pipe.reader) == text(""));
    });
}

TEST_CASE("a pipe takes plain sends and receives too") {
    Scheduler scheduler;
    Pipe pipe(scheduler);
    auto reader = spawn(scheduler, [&] { CHECK(receive(pipe.reader, 100) == text("x")); });
    in_fiber(scheduler, [&] {
        until_parked(scheduler, *reader);
        CHECK(*pipe.writer.send("x", 0, nullptr, never) == 1);
    });
}

TEST_CASE("a pipe whose reader has gone is EPIPE for its writer") {
    auto old = ::signal(SIGPIPE, SIG_IGN);
    Scheduler scheduler;
    Pipe pipe(scheduler);
    std::string much(1'000'000, 'p');
    auto writer = spawn(scheduler, [&] {
        CHECK(write(pipe.writer, much) == std::errc::broken_pipe);
        CHECK(write(pipe.writer, "x") == std::errc::broken_pipe);
    });
    in_fiber(scheduler, [&] {
        until_parked(scheduler, *writer);
        (void)pipe.reader.close();
    });
    ::signal(SIGPIPE, old);
}

TEST_CASE("a regular file is read to its end") {
    Scheduler scheduler;
    Socket file(scheduler);
    REQUIRE(file.adopt(::open("/proc/self/exe", O_RDONLY), false) == Error());
    in_fiber(scheduler, [&] {
        CHECK(read(file, 4) == text("\177ELF"));
        Outcome rest = read(file);
        CHECK(rest.error == Error());
        CHECK(rest.text.size() > 100'000);
        CHECK(read(file) == text(""));
    });
}

TEST_CASE("a socket holds no block at the end of its stream, and none once it is closed") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    std::size_t before = scheduler.blocks().kept();
    in_fiber(scheduler, [&] {
        CHECK(write(pair.right, "unread") == Error());
        CHECK(pair.right.shutdown(SHUT_WR) == Error());
        CHECK(read(pair.left, 1) == text("u"));
        CHECK(scheduler.blocks().kept() == before);
        CHECK(read(pair.left) == text("nread"));
        CHECK(read(pair.left) == text(""));
        CHECK(read_any(pair.left) == text(""));
        CHECK(scheduler.blocks().kept() == before + 1);
        CHECK(write(pair.left, "unread") == Error());
        CHECK(read(pair.right, 1) == text("u"));
        CHECK(scheduler.blocks().kept() == before);
        CHECK(pair.right.close() == Error());
        CHECK(scheduler.blocks().kept() == before + 1);
    });
}
