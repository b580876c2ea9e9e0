// send.cpp: write, writev, send, sendto and sendmsg on sockets.
//
// The attempt is sendmsg(2) with MSG_DONTWAIT. A stream takes what it has room for; as a call in
// blocking mode returns only when all is sent, the rest is sent in further parts.
#include <climits>
#include <new>

#include "runtime/hooks/patience.hpp"
#include "runtime/hooks/rest.hpp"

namespace coir::hooks {

namespace {

// After `sent` bytes of a stream: the others. What ends it early is for the next call to report.
long send_rest(Call& call, Patience& patience, int fd, const msghdr& message, int flags, long sent,
               long wanted) {
    Rest rest(message);
    rest.advance(static_cast<std::size_t>(sent));
    while (sent < wanted && !patience.broken()) {
        msghdr part = rest.message();
        auto attempt = [&] {
            return kernel(library().sendmsg(fd, &part, (flags & ~MSG_FASTOPEN) | MSG_DONTWAIT));
        };
        long n = retry(call, patience, attempt);
        if (n < 0) break;
        sent += n;
        rest.advance(static_cast<std::size_t>(n));
    }
    return sent;
}

long send_all(Call& call, int fd, const msghdr& message, int flags) {
    Patience patience(call, fd, POLLOUT);
    auto attempt = [&] { return kernel(library().sendmsg(fd, &message, flags | MSG_DONTWAIT)); };
    long sent = retry(call, patience, attempt);
    auto wanted = static_cast<long>(total_size({message.msg_iov, message.msg_iovlen}));
    if (sent < 0 || sent >= wanted || !blocking_socket(fd)) return sent;
    try {
        return send_rest(call, patience, fd, message, flags, sent, wanted);
    } catch (const std::bad_alloc&) {
        return sent;
    }
}

// Like the kernel, moves less than 2 GiB at once.
msghdr message_of(iovec& buffer, const void* data, std::size_t size) {
    buffer = {const_cast<void*>(data), std::min<std::size_t>(size, INT_MAX & ~4095)};
    msghdr message{};
    message.msg_iov = &buffer;
    message.msg_iovlen = 1;
    return message;
}

// write(2) ends a record where there are records.
int write_flags(int type) { return type == SOCK_SEQPACKET ? MSG_EOR : 0; }

}  // namespace

}  // namespace coir::hooks

using namespace coir::hooks;

extern "C" ssize_t sendmsg(int fd, const msghdr* message, int flags) {
    Call call(Hook::sendmsg);
    bool unusual = message == nullptr || message->msg_iovlen > IOV_MAX;
    if ((flags & MSG_DONTWAIT) != 0 || unusual || !call.in_fiber()) {
        return library().sendmsg(fd, message, flags);
    }
    return call.finish<ssize_t>(send_all(call, fd, *message, flags));
}

extern "C" ssize_t sendto(int fd, const void* data, std::size_t size, int flags,
                          const sockaddr* address, socklen_t address_size) {
    Call call(Hook::sendto);
    if ((flags & MSG_DONTWAIT) != 0 || !call.in_fiber()) {
        return library().sendto(fd, data, size, flags, address, address_size);
    }
    iovec buffer;
    msghdr message = message_of(buffer, data, size);
    message.msg_name = const_cast<sockaddr*>(address);
    message.msg_namelen = address == nullptr ? 0 : address_size;
    return call.finish<ssize_t>(send_all(call, fd, message, flags));
}

extern "C" ssize_t send(int fd, const void* data, std::size_t size, int flags) {
    Call call(Hook::send);
    if ((flags & MSG_DONTWAIT) != 0 || !call.in_fiber())
        return library().send(fd, data, size, flags);
    iovec buffer;
    msghdr message = message_of(buffer, data, size);
    return call.finish<ssize_t>(send_all(call, fd, message, flags));
}

extern "C" ssize_t write(int fd, const void* data, std::size_t size) {
    Call call(Hook::write);
    int type = call.in_fiber() ? socket_type(fd) : 0;
    if (type == 0) {
        call.restore_errno();
        return library().write(fd, data, size);
    }
    iovec buffer;
    msghdr message = message_of(buffer, data, size);
    return call.finish<ssize_t>(send_all(call, fd, message, write_flags(type)));
}

extern "C" ssize_t writev(int fd, const iovec* buffers, int count) {
    Call call(Hook::writev);
    bool usual = count > 0 && count <= IOV_MAX;
    int type = usual && call.in_fiber() ? socket_type(fd) : 0;
    if (type == 0) {
        call.restore_errno();
        return library().writev(fd, buffers, count);
    }
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(buffers);
    message.msg_iovlen = static_cast<std::size_t>(count);
    return call.finish<ssize_t>(send_all(call, fd, message, write_flags(type)));
}
