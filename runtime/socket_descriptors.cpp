// socket_descriptors.cpp: descriptors sent over Unix sockets (SCM_RIGHTS, unix(7)).
#include <unistd.h>

#include <cstring>
#include <utility>

#include "runtime/platform.hpp"
#include "runtime/socket.hpp"

namespace coir {

namespace {

constexpr std::size_t largest_message = 64 * 1024;

// Room for what may come along with the descriptor (credentials, security labels): of too little
// room the kernel gives the descriptor none.
union Control {
    cmsghdr header;
    char bytes[256];
};

// The first descriptor that came along, or -1. Others, which nobody asked for, are closed.
int take_descriptor(msghdr& message) {
    int taken = -1;
    for (cmsghdr* part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
        std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd;
            std::memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
            if (taken < 0) {
                taken = fd;
            } else {
                ::close(fd);
            }
        }
    }
    return taken;
}

}  // namespace

Error Socket::send_descriptor(int fd, std::string_view data, Deadline deadline) {
    // TCP would send the data and drop the descriptor.
    if (is_open() && family_ != AF_UNIX) return std::errc::operation_not_supported;
    if (deadline != immediate) {
        if (Error error = descriptor_.scheduler().checkpoint()) return error;
    } else if (writing_) {
        return std::errc::resource_unavailable_try_again;
    }
    if (Error error = take_turn(deadline)) return error;
    Error error = send_gathered(deadline);
    if (!error) error = send_along(fd, data, deadline);
    end_turn();
    return error;
}

Error Socket::send_along(int fd, std::string_view data, Deadline deadline) {
    Result<std::size_t> sent = descriptor_.retry(Direction::write, deadline, [&](int socket) {
        iovec part{const_cast<char*>(data.data()), data.size()};
        Control control{};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(sizeof fd);
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof fd);
        std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
        return ::sendmsg(socket, &message, send_flags);
    });
    if (!sent) return sent.error();
    if (*sent == data.size()) return {};
    // The descriptor went with the first byte; what is left is ordinary data.
    std::string_view rest = data.substr(*sent);
    std::size_t written = 0;
    return send_pieces({&rest, 1}, deadline, written);
}

// One recvmsg(2) into the parcel.
ssize_t Socket::receive_message_into_place(int fd) {
    if (has_received()) return 0;  // somebody else's, who could not take it
    Result<std::span<char>> room = parcel_room(largest_message);
    if (!room) {
        errno = room.error().code();
        return -1;
    }
    iovec part{room->data(), largest_message};
    Control control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    ssize_t n = ::recvmsg(fd, &message, receive_flags);
    int saved_errno = errno;
    if (n >= 0) {
        parcel_->fd = take_descriptor(message);
        parcel_->data.commit(static_cast<std::size_t>(n));
        parcel_->full = true;
    } else {
        parcel_->data.release_if_empty();
    }
    errno = saved_errno;
    return n;
}

Result<int> Socket::receive_descriptor(std::string_view& data, Deadline deadline) {
    if (!has_received()) {
        Result<std::size_t> n = descriptor_.retry(
            Direction::read, deadline, [&](int fd) { return receive_message_into_place(fd); });
        if (!n) return n.error();
    }
    data = parcel_->data.view();
    return parcel_->fd;
}

void Socket::drop_descriptor() {
    if (parcel_ != nullptr && parcel_->fd >= 0) ::close(std::exchange(parcel_->fd, -1));
}

}  // namespace coir
