#include "runtime/hooks/patience.hpp"

#include <fcntl.h>

namespace coir::hooks {

namespace {

bool blocking(int fd) {
    int flags = ::fcntl(fd, F_GETFL);
    return flags >= 0 && (flags & O_NONBLOCK) == 0;
}

}  // namespace

int socket_type(int fd) {
    int type = 0;
    socklen_t size = sizeof type;
    return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 ? type : 0;
}

bool blocking_socket(int fd) { return blocking(fd) && socket_type(fd) != 0; }

Deadline Patience::socket_deadline() const {
    timeval time{};
    socklen_t size = sizeof time;
    int option = event_ == POLLIN ? SO_RCVTIMEO : SO_SNDTIMEO;
    if (::getsockopt(fd_, SOL_SOCKET, option, &time, &size) < 0) return never;
    if (time.tv_sec == 0 && time.tv_usec == 0) return never;
    return deadline_after(static_cast<double>(time.tv_sec) +
                          static_cast<double>(time.tv_usec) / 1e6);
}

long Patience::wait() {
    pollfd entry{fd_, event_, 0};
    if (!interest_) {
        if (!blocking(fd_)) return -EAGAIN;
        deadline_ = socket_deadline();
        interest_.emplace(call_, fd_);
        interest_->add({&entry, 1});
    } else if (library().poll(&entry, 1, 0) > 0) {
        // Ready, and yet it would block: what is missing is something that readiness does not tell,
        // such as room in the queue of the socket at the other end.
        interest_->look_again();
    }
    long waited = interest_->wait(deadline_);
    return waited == -ETIMEDOUT ? -EAGAIN : waited;
}

bool Patience::has(short event) const {
    pollfd entry{fd_, event, 0};
    return library().poll(&entry, 1, 0) > 0;
}

}  // namespace coir::hooks
