// platform_linux.cpp: everything in one system call.
#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "runtime/platform.hpp"

namespace coir {

const int send_flags = MSG_NOSIGNAL;
const int receive_flags = MSG_CMSG_CLOEXEC;

int open_socket(int domain, int type, int protocol) {
    return ::socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
}

int open_socket_pair(int domain, int type, int protocol, int fds[2]) {
    return ::socketpair(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol, fds);
}

int accept_socket(int listener, sockaddr* address, socklen_t* size) {
    return ::accept4(listener, address, size, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

int adopt_descriptor(int fd) {
    int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) return -1;
    return ::fcntl(fd, F_SETFD, FD_CLOEXEC);
}

int unacknowledged(int fd) {
    int bytes = 0;
    return ::ioctl(fd, SIOCOUTQ, &bytes) == 0 ? bytes : 0;
}

}  // namespace coir
