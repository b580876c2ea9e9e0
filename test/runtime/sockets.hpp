// sockets.hpp: pairs of connected sockets, and whole operations on them in one call.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/socket.hpp"
#include "test/runtime/fixtures.hpp"

namespace coir::test {

inline constexpr unsigned readable = Descriptor::readable;
inline constexpr unsigned writable = Descriptor::writable;

struct SocketPair {
    explicit SocketPair(Scheduler& scheduler, int type = SOCK_STREAM)
        : left(scheduler), right(scheduler) {
        REQUIRE(Socket::open_pair(left, right, AF_UNIX, type, 0) == Error());
    }
    Socket left, right;
};

inline Address loopback(std::uint16_t port = 0) {
    return *Address::inet(AF_INET, "127.0.0.1", port);
}

// A socket of `type` bound to a port of the kernel's choice; a stream also listens.
struct Bound {
    explicit Bound(Scheduler& scheduler, int type = SOCK_STREAM, int backlog = 1024)
        : socket(scheduler) {
        REQUIRE(socket.open(AF_INET, type, 0) == Error());
        REQUIRE(socket.bind(loopback()) == Error());
        if (type == SOCK_STREAM) REQUIRE(socket.listen(backlog) == Error());
        address = *socket.name();
    }
    Socket socket;
    Address address;
};

// A listening port whose queue is full: another connection is neither made nor refused.
struct Crowded {
    explicit Crowded(Scheduler& scheduler) : listener(scheduler, SOCK_STREAM, 0) {
        // Done when one more hangs. The kernel's count of the queue is off by one, hence the loop.
        for (;;) {
            queue.push_back(std::make_unique<Socket>(scheduler));
            REQUIRE(queue.back()->open(AF_INET, SOCK_STREAM, 0) == Error());
            (void)queue.back()->connect(listener.address, immediate);
            if (queue.size() > 1 && !queue.back()->peer()) break;
        }
    }
    Bound listener;
    std::vector<std::unique_ptr<Socket>> queue;
};

// A port that nobody listens on.
inline Address refusing(Scheduler& scheduler) { return Bound(scheduler).address; }

// Both ends of a TCP connection over the loopback device.
struct TcpPair {
    explicit TcpPair(Scheduler& scheduler) : left(scheduler), right(scheduler) {
        Bound listener(scheduler);
        int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        REQUIRE(::connect(fd, listener.address.data(), listener.address.size()) == 0);
        REQUIRE(left.adopt(fd, false) == Error());
        Address from;
        Result<int> accepted = listener.socket.accept(from, immediate);
        REQUIRE(accepted);
        REQUIRE(right.adopt(*accepted, false) == Error());
    }
    Socket left, right;
};

// A pipe that adopted sockets read and write.
struct Pipe {
    explicit Pipe(Scheduler& scheduler) : reader(scheduler), writer(scheduler) {
        int fds[2];
        REQUIRE(::pipe(fds) == 0);
        REQUIRE(reader.adopt(fds[0], false) == Error());
        REQUIRE(writer.adopt(fds[1], false) == Error());
    }
    Socket reader, writer;
};

// -- Whole operations -----------------------------------------------------------------------------

struct Outcome {
    std::string text;
    Error error;
    bool operator==(const Outcome&) const = default;
};

inline Outcome take(Socket& socket, Result<std::size_t> count) {
    if (!count) return {"", count.error()};
    std::string text(socket.buffered().substr(0, *count));
    socket.consume(*count);
    return {text, {}};
}

inline Outcome read(Socket& socket, std::size_t limit = SIZE_MAX, Deadline deadline = never) {
    return take(socket, socket.fill({limit, {}}, deadline));
}

inline Outcome read_any(Socket& socket, std::size_t limit = SIZE_MAX, Deadline deadline = never) {
    return take(socket, socket.fill_any(limit, deadline));
}

inline Outcome read_line(Socket& socket, std::vector<std::string_view> delimiters = {"\n"},
                         Deadline deadline = never, std::size_t limit = SIZE_MAX) {
    return take(socket, socket.fill({limit, delimiters}, deadline));
}

inline Error write(Socket& socket, std::string_view text, Deadline deadline = never) {
    std::size_t written = 0;
    return socket.write({&text, 1}, deadline, written);
}

inline Outcome receive(Socket& socket, std::size_t size = 0, Address* from = nullptr,
                       Deadline deadline = never) {
    Result<std::string_view> data = socket.receive(size, 0, from, deadline);
    if (!data) return {"", data.error()};
    std::string text(*data);
    socket.received();
    return {text, {}};
}

// Past the runtime, straight to the kernel.
inline void send_raw(const Socket& socket, std::string_view text, int flags = 0) {
    CHECK(::send(socket.fd(), text.data(), text.size(), flags) ==
          static_cast<ssize_t>(text.size()));
}

// Fills what the kernel keeps for a connection; returns how many bytes it took.
inline std::size_t stuff(const Socket& socket) {
    static const std::string block(65536, 'x');
    std::size_t total = 0;
    for (ssize_t n; (n = ::send(socket.fd(), block.data(), block.size(), MSG_DONTWAIT)) > 0;) {
        total += static_cast<std::size_t>(n);
    }
    return total;
}

inline Outcome text(std::string text) { return {std::move(text), {}}; }
inline Outcome failure(std::errc code) { return {"", code}; }

}  // namespace coir::test

namespace doctest {

template <>
struct StringMaker<coir::test::Outcome> {
    static String convert(const coir::test::Outcome& outcome) {
        std::string text = outcome.text.size() > 80 ? std::to_string(outcome.text.size()) + " bytes"
                                                    : '"' + outcome.text + '"';
        return String(text.c_str()) + ", " + StringMaker<coir::Error>::convert(outcome.error);
    }
};

}  // namespace doctest
