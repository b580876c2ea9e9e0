#include "runtime/socket.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "runtime/platform.hpp"

namespace coir {

namespace {

constexpr std::size_t stream_chunk = 512;        // what recv() without a size takes from a stream
constexpr std::size_t largest_datagram = 65536;  // of IP; Unix datagrams can be larger
constexpr auto first_retry = std::chrono::milliseconds(1);
constexpr auto last_retry = std::chrono::milliseconds(50);

int integer_option(int fd, int level, int name, int otherwise) {
    int value = 0;
    socklen_t size = sizeof value;
    return ::getsockopt(fd, level, name, &value, &size) == 0 ? value : otherwise;
}

}  // namespace

Socket::~Socket() {
    if (is_open()) (void)close();
    ListHook<Departure>::unlink();
}

// -- Life -----------------------------------------------------------------------------------------

Error Socket::open(int domain, int type, int protocol) {
    int fd = open_socket(domain, type, protocol);
    if (fd < 0) return last_errno();
    take(fd, domain, type, protocol);
    return {};
}

Error Socket::open_pair(Socket& left, Socket& right, int domain, int type, int protocol) {
    int fds[2];
    if (open_socket_pair(domain, type, protocol, fds) < 0) return last_errno();
    left.take(fds[0], domain, type, protocol);
    right.take(fds[1], domain, type, protocol);
    return {};
}

Error Socket::adopt(int fd, bool shared) {
    if (adopt_descriptor(fd) < 0) return last_errno();
    descriptor_.open(fd, shared);
    has_accepted_ = false;
    describe();
    return {};
}

void Socket::take(int fd, int family, int type, int protocol) {
    descriptor_.open(fd);
    family_ = family;
    type_ = type;
    protocol_ = protocol;
    has_accepted_ = false;
    linger_ = {};
}

void Socket::describe() {
    type_ = integer_option(fd(), SOL_SOCKET, SO_TYPE, 0);
#ifdef SO_PROTOCOL
    protocol_ = integer_option(fd(), SOL_SOCKET, SO_PROTOCOL, 0);
#endif
    Result<Address> own = name();
    family_ = own ? own->family() : AF_UNSPEC;
    Result<Linger> found = linger();
    if (found) linger_ = *found;
}

Error Socket::set_linger(const Linger& value) {
    if (::setsockopt(fd(), SOL_SOCKET, SO_LINGER, &value, sizeof value) < 0) return last_errno();
    linger_ = value;
    return {};
}

Result<Socket::Linger> Socket::linger() const {
    Linger value{};
    socklen_t size = sizeof value;
    if (::getsockopt(fd(), SOL_SOCKET, SO_LINGER, &value, &size) < 0) return last_errno();
    return value;
}

// A Unix socket says EAGAIN when the queue of the other side is full, and the poller does not tell
// when that changes: all that can be done is to try again.
template <class Call>
Error Socket::try_again(Deadline deadline, Call call) {
    auto pause = std::chrono::duration_cast<Duration>(first_retry);
    for (;;) {
        Deadline again = std::min(Clock::now() + pause, deadline);
        if (Error error = descriptor_.scheduler().sleep_until(again)) return error;
        if (!is_open()) return std::errc::bad_file_descriptor;
        Error error = call();
        if (!would_block(error)) return error;
        if (again == deadline) return std::errc::timed_out;
        pause = std::min<Duration>(pause * 2, last_retry);
    }
}

// Nothing tells when the last byte has been acknowledged: all that can be done is to look again.
Error Socket::linger_out() {
    if (!lingers()) return {};
    auto look = [&] {
        pollfd broken{fd(), 0, 0};
        bool done = ::poll(&broken, 1, 0) > 0 || unacknowledged(fd()) == 0;
        return done ? Error() : Error(EAGAIN);
    };
    Error error = look();
    if (would_block(error)) error = try_again(deadline_after(linger_.l_linger), look);
    return error == std::errc::timed_out ? Error() : error;
}

Error Socket::close() {
    departing();
    drop_descriptor();
    ListHook<Departure>::unlink();
    if (!reading_) input_.release();      // a fiber inside fill() looks at it once more
    if (lingers()) (void)set_linger({});  // close(2) would wait
    return descriptor_.close();
}

void Socket::abandon() {
    if (is_open()) (void)close();
    input_.release();
    output_.release();
    parcel_.reset();
    searched_for_ = {};
}

int Socket::detach() {
    departing();
    drop_descriptor();
    ListHook<Departure>::unlink();
    return descriptor_.detach();
}

Error Socket::shutdown(int how) {
    if (how != SHUT_RD) departing();
    return ::shutdown(fd(), how) == 0 ? Error() : last_errno();
}

// -- Plain operations -----------------------------------------------------------------------------

Error Socket::connect(const Address& address, Deadline deadline) {
    Scheduler& scheduler = descriptor_.scheduler();
    if (deadline != immediate) {
        if (Error error = scheduler.checkpoint()) return error;
    }
    if (!is_open()) return std::errc::bad_file_descriptor;
    if (::connect(fd(), address.data(), address.size()) == 0) return {};
    Error error = last_errno();
    if (deadline == immediate) return error;
    if (would_block(error)) {
        return try_again(deadline, [&] {
            bool done = ::connect(fd(), address.data(), address.size()) == 0;
            return done ? Error() : last_errno();
        });
    }
    bool under_way = error == std::errc::operation_in_progress || error == std::errc::interrupted ||
                     error == std::errc::connection_already_in_progress;
    if (!under_way) return error;
    Result<unsigned> ready = descriptor_.wait(Descriptor::writable, deadline);
    if (!ready) return ready.error();
    if (!is_open()) return std::errc::bad_file_descriptor;
    if (Error failed = descriptor_.failure(Direction::write)) return failed;
    return Error(integer_option(fd(), SOL_SOCKET, SO_ERROR, EBADF));
}

Error Socket::bind(const Address& address) {
    return ::bind(fd(), address.data(), address.size()) == 0 ? Error() : last_errno();
}

Error Socket::listen(int backlog) { return ::listen(fd(), backlog) == 0 ? Error() : last_errno(); }

Result<int> Socket::accept(Address& from, Deadline deadline) {
    for (;;) {
        Result<std::size_t> fd =
            descriptor_.retry(Direction::read, deadline, [&](int listener) -> ssize_t {
                if (has_accepted_ && nobody_at(listener)) {
                    errno = EAGAIN;
                    return -1;
                }
                socklen_t* size = from.room_size();
                return accept_socket(listener, from.room(), size);
            });
        if (fd) {
            has_accepted_ = true;
            return static_cast<int>(*fd);
        }
        // The peer that gave up before it was accepted is nobody's error.
        if (fd.error() != std::errc::connection_aborted) return fd.error();
    }
}

Result<Address> Socket::name() const {
    Address address;
    socklen_t* size = address.room_size();
    if (::getsockname(fd(), address.room(), size) < 0) return last_errno();
    return address;
}

Result<Address> Socket::peer() const {
    Address address;
    socklen_t* size = address.room_size();
    if (::getpeername(fd(), address.room(), size) < 0) return last_errno();
    return address;
}

// How much recv(2) must be offered for all of what comes next; -1 with errno when nothing does yet.
ssize_t Socket::room_for_whole(int fd) const {
    if (type_ == SOCK_STREAM || type_ == 0) return stream_chunk;
    if (family_ != AF_UNIX) return largest_datagram;
#ifdef __linux__
    return ::recv(fd, nullptr, 0, MSG_PEEK | MSG_TRUNC);
#else
    return integer_option(fd, SOL_SOCKET, SO_RCVBUF, largest_datagram);
#endif
}

Result<std::span<char>> Socket::parcel_room(std::size_t size) {
    if (parcel_ == nullptr)
        parcel_.reset(new (std::nothrow) Parcel(descriptor_.scheduler().blocks()));
    if (parcel_ == nullptr) return std::errc::not_enough_memory;
    return parcel_->data.reserve(size);
}

// One recv(2) into the parcel; nothing is waited for between taking the room and filling it.
ssize_t Socket::receive_into_place(int fd, std::size_t size, int flags) {
    if (has_received()) return 0;  // somebody else's, who could not take it
    ssize_t whole = size == 0 ? room_for_whole(fd) : 0;
    if (whole < 0) return -1;
    if (size == 0) size = std::max<std::size_t>(static_cast<std::size_t>(whole), 1);
    Result<std::span<char>> room = parcel_room(size);
    if (!room) {
        errno = room.error().code();
        return -1;
    }
    Address& from = parcel_->from;
    socklen_t* address_size = from.room_size();
    ssize_t n = type_ == 0 ? ::read(fd, room->data(), size)
                           : ::recvfrom(fd, room->data(), size, flags, from.room(), address_size);
    int saved_errno = errno;
    if (n >= 0) {
        auto count = static_cast<std::size_t>(n);
        if (count > 0 && count < size && flags == 0 && drains())
            descriptor_.drained(Direction::read);
        parcel_->data.commit(std::min(count, size));
        if (from.size() == 0) from = {};  // the kernel left the last sender there
        parcel_->full = true;
    } else {
        parcel_->data.release_if_empty();
    }
    errno = saved_errno;
    return n;
}

Result<std::string_view> Socket::receive(std::size_t size, int flags, Address* from,
                                         Deadline deadline) {
    if (!has_received()) {
        Result<std::size_t> n = descriptor_.retry(
            Direction::read, deadline, [&](int fd) { return receive_into_place(fd, size, flags); });
        if (!n) return n.error();
    }
    drop_descriptor();  // one that nobody asks for
    if (from != nullptr) *from = parcel_->from;
    return parcel_->data.view();
}

void Socket::received() {
    if (parcel_ == nullptr) return;
    parcel_->full = false;
    parcel_->fd = -1;
    parcel_->data.consume(parcel_->data.size());
    parcel_->data.release_if_empty();
}

Result<std::size_t> Socket::send(std::string_view data, int flags, const Address* to,
                                 Deadline deadline) {
    auto send_once = [&](int fd) {
        if (type_ == 0) return ::write(fd, data.data(), data.size());
        const sockaddr* address = to == nullptr ? nullptr : to->data();
        socklen_t size = to == nullptr ? 0 : to->size();
        return ::sendto(fd, data.data(), data.size(), flags | send_flags, address, size);
    };
    if (to == nullptr || family_ != AF_UNIX || deadline == immediate) {
        return descriptor_.retry(Direction::write, deadline, send_once);
    }
    if (Error error = descriptor_.scheduler().checkpoint()) return error;
    Result<std::size_t> n = descriptor_.retry(Direction::write, immediate, send_once);
    if (n || !would_block(n.error())) return n;
    Error error = try_again(deadline, [&] {
        n = descriptor_.retry(Direction::write, immediate, send_once);
        return n.error();
    });
    return error ? Result<std::size_t>(error) : n;
}

}  // namespace coir
