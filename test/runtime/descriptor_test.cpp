#include "runtime/descriptor.hpp"

#include <fcntl.h>

#include "test/runtime/sockets.hpp"

using namespace coir;
using namespace coir::test;

namespace {

constexpr auto closed = std::errc::bad_file_descriptor;

// Two descriptors that are connected, without the buffers of a socket.
struct Ends {
    explicit Ends(Scheduler& scheduler) : left(scheduler), right(scheduler) {
        int fds[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
        left.open(fds[0]);
        right.open(fds[1]);
    }
    Descriptor left, right;
};

void put(const Descriptor& descriptor, std::string_view text) {
    CHECK(::write(descriptor.fd(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
}

Outcome get(Descriptor& descriptor, Deadline deadline = never, int* calls = nullptr) {
    char bytes[100];
    Result<std::size_t> n = descriptor.retry(Direction::read, deadline, [&](int fd) {
        if (calls != nullptr) ++*calls;
        return ::read(fd, bytes, sizeof bytes);
    });
    return n ? text({bytes, *n}) : Outcome{"", n.error()};
}

}  // namespace

TEST_CASE("a call that succeeds at once does not wait") {
    Scheduler scheduler;
    Ends ends(scheduler);
    put(ends.right, "x");
    int calls = 0;
    in_fiber(scheduler, [&] {
        CHECK(get(ends.left, never, &calls) == text("x"));
        CHECK(scheduler.running()->switches() == 0);
    });
    CHECK(calls == 1);
    CHECK(scheduler.watcher(ends.left.fd()) == nullptr);
}

TEST_CASE("a call that would block is tried again when the kernel reports a change") {
    Scheduler scheduler;
    Ends ends(scheduler);
    int calls = 0;
    auto reader = spawn(scheduler, [&] {
        for (std::string_view expected : {"a", "b", "c"}) {
            CHECK(get(ends.left, never, &calls) == text(std::string(expected)));
        }
    });
    in_fiber(scheduler, [&] {
        for (std::string_view data : {"a", "b", "c"}) {
            until_parked(scheduler, *reader);
            put(ends.right, data);
            while (reader->state() == Fiber::State::parked) (void)scheduler.yield();
        }
    });
    CHECK(calls <= 7);
    CHECK(scheduler.watcher(ends.left.fd()) != nullptr);
}

TEST_CASE("an error of the call is returned, an interruption of it is not") {
    Scheduler scheduler;
    Ends ends(scheduler);
    in_fiber(scheduler, [&] {
        int calls = 0;
        Result<std::size_t> n = ends.left.retry(Direction::read, never, [&](int) {
            errno = ++calls < 3 ? EINTR : EIO;
            return -1;
        });
        CHECK(n.error() == std::errc::io_error);
        CHECK(calls == 3);
    });
}

TEST_CASE("with the deadline `immediate` a call is made once, outside a fiber too") {
    Scheduler scheduler;
    Ends ends(scheduler);
    int calls = 0;
    CHECK(get(ends.left, immediate, &calls) == failure(std::errc::resource_unavailable_try_again));
    CHECK(calls == 1);
    put(ends.right, "x");
    CHECK(get(ends.left, immediate) == text("x"));
    (void)ends.left.close();
    CHECK(get(ends.left, immediate) == failure(closed));
}

TEST_CASE("a deadline that has passed tries once and times out") {
    Scheduler scheduler;
    Ends ends(scheduler);
    in_fiber(scheduler, [&] {
        CHECK(get(ends.left, overdue()) == failure(std::errc::timed_out));
        put(ends.right, "x");
        CHECK(get(ends.left, overdue()) == text("x"));
    });
}

TEST_CASE("closing wakes everybody who waits for the descriptor") {
    Scheduler scheduler;
    Ends ends(scheduler);
    std::vector<Error> seen;
    Result<unsigned> direction = 0U;
    Descriptor& left = ends.left;
    while (::write(left.fd(), "xxxxxxxx", 8) > 0) {
    }
    for (int i = 0; i < 2; ++i) spawn(scheduler, [&] { seen.push_back(get(left).error); });
    spawn(scheduler, [&] {
        seen.push_back(
            left.retry(Direction::write, never, [](int fd) { return ::write(fd, "x", 1); })
                .error());
    });
    spawn(scheduler, [&] { direction = left.wait(readable, never); });
    spawn(scheduler, [&] { CHECK(left.close() == Error()); });
    run(scheduler);
    CHECK(seen == std::vector<Error>(3, closed));
    REQUIRE(direction);
    CHECK(*direction == readable);
    CHECK(left.close() == closed);
    CHECK_FALSE(left.is_open());
}

TEST_CASE("detaching ends the waits and keeps the number open") {
    Scheduler scheduler;
    Ends ends(scheduler);
    Error seen;
    spawn(scheduler, [&] { seen = get(ends.left).error; });
    int fd = -1;
    spawn(scheduler, [&] { fd = ends.left.detach(); });
    run(scheduler);
    CHECK(seen == closed);
    CHECK(scheduler.watcher(fd) == nullptr);
    CHECK(ends.left.detach() == -1);
    Descriptor second(scheduler);
    second.open(fd);
    spawn(scheduler, [&] { CHECK(get(second) == text("x")); });
    spawn(scheduler, [&] { put(ends.right, "x"); });
    run(scheduler);
}

TEST_CASE("a number that is reused at once has nothing of its last owner") {
    Scheduler scheduler;
    auto first = std::make_unique<Ends>(scheduler);
    int number = first->left.fd();
    Error seen;
    auto reader = spawn(scheduler, [&] { seen = get(first->left).error; });
    in_fiber(scheduler, [&] {
        until_parked(scheduler, *reader);
        put(first->right, "for the first owner");  // its event waits in the kernel
        CHECK(first->left.close() == Error());
        Ends second(scheduler);
        CHECK(second.left.fd() == number);
        CHECK(get(second.left, overdue()) == failure(std::errc::timed_out));
        put(second.right, "second");
        CHECK(get(second.left) == text("second"));
    });
    CHECK(seen == closed);
}

TEST_CASE("an event of a number's last owner does not reach the waiter of its next") {
    Scheduler scheduler;
    Ends first(scheduler);
    int copy = ::dup(first.left.fd());  // keeps the first owner registered in the kernel
    auto reader = spawn(scheduler, [&] { (void)get(first.left); });
    in_fiber(scheduler, [&] {
        until_parked(scheduler, *reader);
        int number = first.left.fd();
        CHECK(first.left.close() == Error());
        Ends second(scheduler);
        CHECK(second.left.fd() == number);
        bool woken = false;
        auto waiter = spawn(scheduler, [&] {
            CHECK(second.left.wait(readable, never));
            woken = true;
        });
        until_parked(scheduler, *waiter);
        put(first.right, "late");
        for (int i = 0; i < 5; ++i) (void)scheduler.yield();
        CHECK_FALSE(woken);
        put(second.right, "x");
        CHECK(scheduler.join(*waiter) == Error());
    });
    ::close(copy);
}

TEST_CASE("a number whose file is still registered under it can be watched again") {
    Scheduler scheduler;
    Ends ends(scheduler);
    int number = ends.left.fd();
    int copy = ::dup(number);
    auto reader = spawn(scheduler, [&] { CHECK(get(ends.left).error == closed); });
    in_fiber(scheduler, [&] {
        until_parked(scheduler, *reader);
        CHECK(ends.left.close() == Error());
        REQUIRE(::dup2(copy, number) == number);
        Descriptor again(scheduler);
        again.open(number);
        CHECK(get(again, overdue()) == failure(std::errc::timed_out));
        put(ends.right, "x");
        CHECK(get(again) == text("x"));
    });
    ::close(copy);
}

TEST_CASE("of two fibers woken in one batch the first may close what the second waits for") {
    Scheduler scheduler;
    Ends a(scheduler), b(scheduler);
    std::string log;
    auto closer = [&](Descriptor& mine, Descriptor& other) {
        Outcome outcome = get(mine);
        log += outcome.error ? 'e' : 'd';
        if (!outcome.error) {
            (void)other.close();
            Ends replacement(scheduler);
            CHECK(get(replacement.left, overdue()) == failure(std::errc::timed_out));
        }
    };
    spawn(scheduler, [&] { closer(a.left, b.left); });
    auto last = spawn(scheduler, [&] { closer(b.left, a.left); });
    spawn(scheduler, [&] {
        until_parked(scheduler, *last);
        put(a.right, "x");  // both events come in one batch
        put(b.right, "x");
    });
    run(scheduler);
    // Both were ready; whichever ran second found its descriptor closed.
    CHECK(log == "de");
}

TEST_CASE("many fibers that wait for one descriptor each get a message in the end") {
    Scheduler scheduler;
    SocketPair pair(scheduler, SOCK_DGRAM);
    int got = 0;
    std::vector<std::shared_ptr<Fiber>> readers;
    for (int i = 0; i < 20; ++i) {
        readers.push_back(spawn(scheduler, [&] {
            CHECK(receive(pair.left) == text("x"));
            ++got;
        }));
    }
    in_fiber(scheduler, [&] {
        until_parked(scheduler, *readers.back());
        for (int i = 0; i < 10; ++i) send_raw(pair.right, "x");
        for (int i = 0; i < 3; ++i) (void)scheduler.yield();
        for (int i = 0; i < 10; ++i) send_raw(pair.right, "x");
    });
    CHECK(got == 20);
}

TEST_CASE("two descriptors cannot watch one number") {
    Scheduler scheduler;
    Ends ends(scheduler);
    Descriptor twin(scheduler);
    int fd = ends.left.fd();
    auto reader = spawn(scheduler, [&] { CHECK(get(ends.left) == text("x")); });
    in_fiber(scheduler, [&] {
        until_parked(scheduler, *reader);
        twin.open(fd, true);
        CHECK(get(twin) == failure(std::errc::file_exists));
        twin.detach();
        put(ends.right, "x");
    });
}

TEST_CASE("a thousand descriptors are opened, waited for and closed over and over") {
    Scheduler scheduler;
    int lowest = DescriptorLimit::lowest_free();
    std::size_t rounds = scaled(1000);
    in_fiber(scheduler, [&] {
        for (std::size_t i = 0; i < rounds; ++i) {
            Ends ends(scheduler);
            auto reader = spawn(scheduler, [&] { CHECK(get(ends.left) == text("x")); });
            until_parked(scheduler, *reader);
            put(ends.right, "x");
            CHECK(scheduler.join(*reader) == Error());
        }
    });
    CHECK(DescriptorLimit::lowest_free() == lowest);
}
