// receive.cpp: read, readv, recv, recvfrom and recvmsg on sockets.
//
// The attempt is the C library's call with MSG_DONTWAIT, so a call that has something to receive
// costs one system call, as always. What is no socket says so at once and is read as without hooks.
#include <climits>
#include <new>

#include "runtime/hooks/patience.hpp"
#include "runtime/hooks/rest.hpp"

namespace coir::hooks {

namespace {

// These never wait: there is an answer at once.
constexpr int never_waits = MSG_DONTWAIT | MSG_OOB | MSG_ERRQUEUE;

// After `got` bytes of a stream: the others that MSG_WAITALL asks for. What ends it early is for
// the next call to report.
long receive_rest(Call& call, Patience& patience, int fd, const msghdr& message, int flags,
                  long got) {
    auto wanted = static_cast<long>(total_size({message.msg_iov, message.msg_iovlen}));
    Rest rest(message);
    rest.advance(static_cast<std::size_t>(got));
    while (got < wanted && !patience.broken()) {
        msghdr part = rest.message();
        long n = retry(call, patience,
                       [&] { return kernel(library().recvmsg(fd, &part, flags | MSG_DONTWAIT)); });
        if (n <= 0) break;
        got += n;
        rest.advance(static_cast<std::size_t>(n));
    }
    return got;
}

// The same for a look, which always begins at the first byte.
long peek_rest(Call& call, Patience& patience, int fd, msghdr message, int flags, long got) {
    auto wanted = static_cast<long>(total_size({message.msg_iov, message.msg_iovlen}));
    while (got < wanted && !patience.broken()) {
        long n = retry(call, patience, [&] {
            long seen = kernel(library().recvmsg(fd, &message, flags | MSG_DONTWAIT));
            return seen == got && !patience.at_end() ? -EAGAIN : seen;
        });
        if (n <= got) break;
        got = n;
    }
    return got;
}

// attempt(flags) is the call itself with other flags.
template <class Attempt>
long receive(Call& call, int fd, const msghdr& message, int flags, Attempt attempt) {
    Patience patience(call, fd, POLLIN);
    long got = retry(call, patience, [&] { return attempt(flags | MSG_DONTWAIT); });
    bool more = (flags & MSG_WAITALL) != 0 && got > 0 && message.msg_controllen == 0;
    if (!more || socket_type(fd) != SOCK_STREAM) return got;
    if ((flags & MSG_PEEK) != 0) return peek_rest(call, patience, fd, message, flags, got);
    try {
        return receive_rest(call, patience, fd, message, flags, got);
    } catch (const std::bad_alloc&) {
        return got;
    }
}

}  // namespace

}  // namespace coir::hooks

using namespace coir::hooks;

extern "C" ssize_t recvmsg(int fd, msghdr* message, int flags) {
    Call call(Hook::recvmsg);
    if ((flags & never_waits) != 0 || message == nullptr || !call.in_fiber()) {
        return library().recvmsg(fd, message, flags);
    }
    const msghdr asked = *message;
    auto attempt = [&](int with) { return kernel(library().recvmsg(fd, message, with)); };
    return call.finish<ssize_t>(receive(call, fd, asked, flags, attempt));
}

extern "C" ssize_t recvfrom(int fd, void* data, std::size_t size, int flags, sockaddr* address,
                            socklen_t* address_size) {
    Call call(Hook::recvfrom);
    if ((flags & never_waits) != 0 || !call.in_fiber()) {
        return library().recvfrom(fd, data, size, flags, address, address_size);
    }
    iovec buffer{data, size};
    msghdr message{};
    message.msg_iov = &buffer;
    message.msg_iovlen = 1;
    auto attempt = [&](int with) {
        return kernel(library().recvfrom(fd, data, size, with, address, address_size));
    };
    return call.finish<ssize_t>(receive(call, fd, message, flags, attempt));
}

extern "C" ssize_t recv(int fd, void* data, std::size_t size, int flags) {
    Call call(Hook::recv);
    if ((flags & never_waits) != 0 || !call.in_fiber())
        return library().recv(fd, data, size, flags);
    iovec buffer{data, size};
    msghdr message{};
    message.msg_iov = &buffer;
    message.msg_iovlen = 1;
    auto attempt = [&](int with) { return kernel(library().recv(fd, data, size, with)); };
    return call.finish<ssize_t>(receive(call, fd, message, flags, attempt));
}

// Reading nothing is no reading: a datagram stays where it is.
extern "C" ssize_t read(int fd, void* data, std::size_t size) {
    Call call(Hook::read);
    if (size == 0 || !call.in_fiber()) return library().read(fd, data, size);
    Patience patience(call, fd, POLLIN);
    auto attempt = [&] { return kernel(library().recv(fd, data, size, MSG_DONTWAIT)); };
    long got = retry(call, patience, attempt);
    if (got != -ENOTSOCK) return call.finish<ssize_t>(got);
    call.restore_errno();
    return library().read(fd, data, size);
}

extern "C" ssize_t readv(int fd, const iovec* buffers, int count) {
    Call call(Hook::readv);
    bool usual = count > 0 && count <= IOV_MAX;
    if (!usual || !call.in_fiber() || total_size({buffers, static_cast<std::size_t>(count)}) == 0) {
        return library().readv(fd, buffers, count);
    }
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(buffers);
    message.msg_iovlen = static_cast<std::size_t>(count);
    Patience patience(call, fd, POLLIN);
    auto attempt = [&] { return kernel(library().recvmsg(fd, &message, MSG_DONTWAIT)); };
    long got = retry(call, patience, attempt);
    if (got != -ENOTSOCK) return call.finish<ssize_t>(got);
    call.restore_errno();
    return library().readv(fd, buffers, count);
}

extern "C" ssize_t __read_chk(int fd, void* data, std::size_t size, std::size_t room) {
    if (size > room) return library().__read_chk(fd, data, size, room);
    return ::read(fd, data, size);
}

extern "C" ssize_t __recv_chk(int fd, void* data, std::size_t size, std::size_t room, int flags) {
    if (size > room) return library().__recv_chk(fd, data, size, room, flags);
    return ::recv(fd, data, size, flags);
}

extern "C" ssize_t __recvfrom_chk(int fd, void* data, std::size_t size, std::size_t room, int flags,
                                  sockaddr* address, socklen_t* address_size) {
    if (size > room) {
        return library().__recvfrom_chk(fd, data, size, room, flags, address, address_size);
    }
    return ::recvfrom(fd, data, size, flags, address, address_size);
}
