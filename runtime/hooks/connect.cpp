// connect.cpp: connect, accept and accept4 on sockets in blocking mode.
//
// These have no flag like MSG_DONTWAIT: the socket is in non-blocking mode for the attempt alone,
// in which no other fiber runs.
#include <fcntl.h>

#include "runtime/hooks/patience.hpp"

namespace coir::hooks {

namespace {

template <class Attempt>
long without_blocking(int fd, Attempt attempt) {
    int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) return -errno;
    long result = kernel(attempt());
    (void)::fcntl(fd, F_SETFL, flags);
    return result;
}

// The attempt after the connection has come about, or failed, says so.
long connect_socket(Call& call, int fd, const sockaddr* address, socklen_t size) {
    long first = 0;
    auto attempt = [&] {
        long result = without_blocking(fd, [&] { return library().connect(fd, address, size); });
        if (first == 0) first = result;
        return result == -EINPROGRESS || result == -EALREADY ? -EAGAIN : result;
    };
    Patience patience(call, fd, POLLOUT);
    long result = retry(call, patience, attempt);
    return result == -EAGAIN ? first : result;
}

long accept_socket(Call& call, int fd, sockaddr* address, socklen_t* size, int flags) {
    Patience patience(call, fd, POLLIN);
    return retry(call, patience, [&] {
        return without_blocking(fd, [&] { return library().accept4(fd, address, size, flags); });
    });
}

}  // namespace

}  // namespace coir::hooks

using namespace coir::hooks;

extern "C" int connect(int fd, const sockaddr* address, socklen_t size) {
    Call call(Hook::connect);
    if (!call.in_fiber() || !blocking_socket(fd)) {
        call.restore_errno();
        return library().connect(fd, address, size);
    }
    return call.finish<int>(connect_socket(call, fd, address, size));
}

extern "C" int accept4(int fd, sockaddr* address, socklen_t* size, int flags) {
    Call call(Hook::accept4);
    if (!call.in_fiber() || !blocking_socket(fd)) {
        call.restore_errno();
        return library().accept4(fd, address, size, flags);
    }
    return call.finish<int>(accept_socket(call, fd, address, size, flags));
}

extern "C" int accept(int fd, sockaddr* address, socklen_t* size) {
    Call call(Hook::accept);
    if (!call.in_fiber() || !blocking_socket(fd)) {
        call.restore_errno();
        return library().accept(fd, address, size);
    }
    return call.finish<int>(accept_socket(call, fd, address, size, 0));
}
