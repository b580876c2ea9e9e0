// platform_bsd.cpp: macOS and the BSDs, where flags are set after the descriptor exists.
#include <fcntl.h>
#include <sys/event.h>
#include <unistd.h>

#include <cerrno>

#include "runtime/platform.hpp"

namespace coir {

#ifdef MSG_NOSIGNAL
const int send_flags = MSG_NOSIGNAL;
#else
const int send_flags = 0;  // SO_NOSIGPIPE does it
#endif
#ifdef MSG_CMSG_CLOEXEC
const int receive_flags = MSG_CMSG_CLOEXEC;
#else
const int receive_flags = 0;
#endif

int adopt_descriptor(int fd) {
    int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) return -1;
    return ::fcntl(fd, F_SETFD, FD_CLOEXEC);
}

// Sets up a new socket, or closes it and keeps errno.
static int made(int fd) {
    if (fd < 0) return fd;
    bool ready = adopt_descriptor(fd) == 0;
#ifdef SO_NOSIGPIPE
    int on = 1;
    ready = ready && ::setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on) == 0;
#endif
    if (ready) return fd;
    int saved = errno;
    ::close(fd);
    errno = saved;
    return -1;
}

int open_socket(int domain, int type, int protocol) {
    return made(::socket(domain, type, protocol));
}

int open_socket_pair(int domain, int type, int protocol, int fds[2]) {
    if (::socketpair(domain, type, protocol, fds) < 0) return -1;
    int left = made(fds[0]);
    int right = made(fds[1]);
    if (left >= 0 && right >= 0) return 0;
    int saved = errno;
    if (left >= 0) ::close(left);
    if (right >= 0) ::close(right);
    errno = saved;
    return -1;
}

int accept_socket(int listener, sockaddr* address, socklen_t* size) {
    return made(::accept(listener, address, size));
}

bool nobody_at(int) { return false; }

static bool add_to_group(int group, const pollfd& entry) {
    struct kevent changes[2];
    int count = 0;
    auto fd = static_cast<uintptr_t>(entry.fd);
    if (entry.events & POLLIN) EV_SET(&changes[count++], fd, EVFILT_READ, EV_ADD, 0, 0, nullptr);
    if (entry.events & POLLOUT) EV_SET(&changes[count++], fd, EVFILT_WRITE, EV_ADD, 0, 0, nullptr);
    return ::kevent(group, changes, count, nullptr, 0, nullptr) == 0;
}

int open_group(std::span<const pollfd> entries) {
    int group = ::kqueue();
    if (group >= 0) ::fcntl(group, F_SETFD, FD_CLOEXEC);
    for (const pollfd& entry : entries) {
        if (group < 0 || entry.fd < 0 || add_to_group(group, entry)) continue;
        int saved_errno = errno;
        ::close(group);
        errno = saved_errno;
        return -1;
    }
    return group;
}

int unacknowledged(int fd) {
    int bytes = 0;
#if defined(SO_NWRITE)  // macOS
    socklen_t size = sizeof bytes;
    return ::getsockopt(fd, SOL_SOCKET, SO_NWRITE, &bytes, &size) == 0 ? bytes : 0;
#elif defined(FIONWRITE)
    return ::ioctl(fd, FIONWRITE, &bytes) == 0 ? bytes : 0;
#else
    (void)fd;
    return bytes;
#endif
}

}  // namespace coir
