#include <fcntl.h>

#include <array>

#include "runtime/socket.hpp"
#include "test/runtime/sockets.hpp"

using namespace coir;
using namespace coir::test;

namespace {

struct Received {
    int fd = -1;
    std::string data;
    Error error;
};

Received take_descriptor(Socket& socket, Deadline deadline = never) {
    std::string_view data;
    Result<int> fd = socket.receive_descriptor(data, deadline);
    Received got;
    got.error = fd.error();
    if (!fd) return got;
    got.fd = *fd;
    got.data = data;
    socket.received();
    return got;
}

// Sends several descriptors in one message, as somebody else's program may.
void send_several(const Socket& socket, std::span<const int> fds) {
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 8)] = {};
    char byte = 'm';
    iovec part{&byte, 1};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
    CHECK(::sendmsg(socket.fd(), &message, 0) == 1);
}

}  // namespace

TEST_CASE("a descriptor arrives with its data, open and close-on-exec") {
    Scheduler scheduler;
    SocketPair pair(scheduler), parcel(scheduler);
    in_fiber(scheduler, [&] {
        CHECK(pair.left.send_descriptor(parcel.left.fd(), "data", never) == Error());
        Received got = take_descriptor(pair.right);
        CHECK(got.data == "data");
        REQUIRE(got.fd >= 0);
        CHECK(got.fd != parcel.left.fd());
        CHECK((::fcntl(got.fd, F_GETFD) & FD_CLOEXEC) != 0);
        send_raw(parcel.right, "x");
        char byte;
        CHECK(::read(got.fd, &byte, 1) == 1);
        ::close(got.fd);
    });
}

TEST_CASE("data that comes without a descriptor says so") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    send_raw(pair.left, "plain");
    in_fiber(scheduler, [&] {
        Received got = take_descriptor(pair.right);
        CHECK(got.fd == -1);
        CHECK(got.data == "plain");
        CHECK(take_descriptor(pair.right, overdue()).error == std::errc::timed_out);
        (void)pair.left.close();
        got = take_descriptor(pair.right);
        CHECK(got.error == Error());
        CHECK(got.fd == -1);
        CHECK(got.data == "");
    });
}

TEST_CASE("of many descriptors in one message one is kept and none is left open") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    std::array<int, 8> many;
    many.fill(pair.left.fd());
    std::size_t before = open_descriptors();
    in_fiber(scheduler, [&] {
        for (std::size_t count : {2u, 3u, 8u}) {
            send_several(pair.left, std::span(many).first(count));
            Received got = take_descriptor(pair.right);
            CHECK(got.data == "m");
            REQUIRE(got.fd >= 0);
            CHECK(open_descriptors() == before + 1);
            ::close(got.fd);
        }
    });
    CHECK(open_descriptors() == before);
}

TEST_CASE("a descriptor arrives although its sender's credentials come along") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    int on = 1;
    REQUIRE(::setsockopt(pair.right.fd(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0);
    in_fiber(scheduler, [&] {
        CHECK(pair.left.send_descriptor(pair.left.fd(), "data", never) == Error());
        Received got = take_descriptor(pair.right);
        CHECK(got.data == "data");
        CHECK(got.fd >= 0);
        if (got.fd >= 0) ::close(got.fd);
    });
}

TEST_CASE(
    "a descriptor that was not handed over stays for the next call, and goes with the socket") {
    Scheduler scheduler;
    SocketPair pair(scheduler), parcel(scheduler);
    in_fiber(scheduler, [&] {
        std::size_t before = open_descriptors();
        std::string_view data;
        CHECK(pair.left.send_descriptor(parcel.left.fd(), "first", never) == Error());
        CHECK(pair.left.send_descriptor(parcel.left.fd(), "second", never) == Error());
        int fd = *pair.right.receive_descriptor(data, never);
        Received again = take_descriptor(pair.right);
        CHECK(again.fd == fd);
        CHECK(again.data == "first");
        ::close(fd);
        CHECK(*pair.right.receive_descriptor(data, never) >= 0);
        CHECK(open_descriptors() == before + 1);
        CHECK(pair.right.close() == Error());
        CHECK(open_descriptors() == before - 1);
    });
}

TEST_CASE("an ordinary receive closes the descriptor that came with its data") {
    Scheduler scheduler;
    SocketPair pair(scheduler), parcel(scheduler);
    in_fiber(scheduler, [&] {
        std::size_t before = open_descriptors();
        std::string_view data;
        CHECK(pair.left.send_descriptor(parcel.left.fd(), "data", never) == Error());
        CHECK(*pair.right.receive_descriptor(data, never) >= 0);
        CHECK(*pair.right.receive(10, 0, nullptr, never) == "data");
        pair.right.received();
        CHECK(open_descriptors() == before);
    });
}

TEST_CASE("descriptors and data keep their order and boundaries") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    in_fiber(scheduler, [&] {
        send_raw(pair.left, "before");
        CHECK(pair.left.send_descriptor(pair.left.fd(), "with", never) == Error());
        send_raw(pair.left, "after");
        std::string order;
        int descriptors = 0;
        while (order.size() < 15) {
            Received got = take_descriptor(pair.right);
            REQUIRE(got.error == Error());
            order += got.data;
            if (got.fd >= 0) ++descriptors;
            if (got.fd >= 0) ::close(got.fd);
        }
        CHECK(order == "beforewithafter");
        CHECK(descriptors == 1);
    });
}

TEST_CASE("a large message goes with its descriptor, past what the kernel takes at once") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    std::string large(2'000'000, 'l');
    spawn(scheduler, [&] {
        CHECK(pair.left.send_descriptor(pair.left.fd(), large, never) == Error());
        (void)pair.left.close();
    });
    std::size_t total = 0;
    int descriptors = 0;
    in_fiber(scheduler, [&] {
        for (;;) {
            Received got = take_descriptor(pair.right);
            REQUIRE(got.error == Error());
            if (got.data.empty()) break;
            total += got.data.size();
            if (got.fd >= 0) ++descriptors;
            if (got.fd >= 0) ::close(got.fd);
        }
    });
    CHECK(total == large.size());
    CHECK(descriptors == 1);
}

TEST_CASE("what cannot be sent is an error: a closed number, a socket that is not of Unix") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    TcpPair tcp(scheduler);
    in_fiber(scheduler, [&] {
        CHECK(pair.left.send_descriptor(-1, "x", never) == std::errc::bad_file_descriptor);
        CHECK(pair.left.send_descriptor(19'999, "x", never) == std::errc::bad_file_descriptor);
        CHECK(tcp.left.send_descriptor(0, "x", in_ms(10)));
    });
}

TEST_CASE("two fibers that wait for descriptors each get one") {
    Scheduler scheduler;
    SocketPair pair(scheduler, SOCK_DGRAM);
    int descriptors = 0;
    std::shared_ptr<Fiber> last;
    for (int i = 0; i < 2; ++i) {
        last = spawn(scheduler, [&] {
            Received got = take_descriptor(pair.right);
            CHECK(got.data == "x");
            if (got.fd >= 0) ++descriptors;
            if (got.fd >= 0) ::close(got.fd);
        });
    }
    in_fiber(scheduler, [&] {
        until_parked(scheduler, *last);
        for (int i = 0; i < 2; ++i) {
            CHECK(pair.left.send_descriptor(pair.left.fd(), "x", never) == Error());
        }
    });
    CHECK(descriptors == 2);
}

TEST_CASE("a descriptor and its data wait their turn behind what another fiber writes") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    std::vector<std::string_view> pieces(20'000, "w");  // so many that the writer lets others run
    spawn(scheduler, [&] {
        std::size_t written = 0;
        CHECK(pair.left.write(pieces, never, written) == Error());
    });
    spawn(scheduler, [&] {
        CHECK(pair.left.send_descriptor(pair.left.fd(), "descriptor", never) == Error());
        (void)pair.left.close();
    });
    in_fiber(scheduler,
             [&] { CHECK(read(pair.right) == text(std::string(20'000, 'w') + "descriptor")); });
}
