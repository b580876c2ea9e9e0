// poller_kqueue.cpp: the poller on kqueue(2), for macOS and the BSDs, and for Linux with libkqueue.
//
// A descriptor has two filters, one for each direction, added and deleted together. libkqueue
// imitates kqueue(2) on top of epoll(7), so that this file runs on Linux too. It forgets what a
// kernel keeps and keeps what a kernel forgets; `#ifdef LIBKQUEUE` holds what makes up for it.
#include <fcntl.h>
#include <poll.h>
#include <sys/event.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <new>
#include <vector>

#include "runtime/platform.hpp"
#include "runtime/poller.hpp"

namespace coir {

namespace {

using RawEvent = struct kevent;  // the function of this name hides the type
using Events = std::array<Poller::Event, 512>;

constexpr int max_events = std::tuple_size_v<Events>;
constexpr std::uint64_t wake_token = UINT64_MAX;

// Kernels refuse a timeout of some years, and libkqueue's overflows after 24 days. Who is back too
// early waits again.
constexpr Duration longest_wait = std::chrono::hours(24);

#ifdef LIBKQUEUE

// A filter stays when its descriptor is closed. Added again for the next descriptor of that number,
// it would report nothing.
constexpr bool forgets_closed = false;

// Looking for an error takes it from the socket. EIO only says that the descriptor is no socket.
Error taken_error(const RawEvent& raw) {
    bool taken = (raw.flags & EV_EOF) != 0 && raw.fflags != EIO;
    return taken ? Error(static_cast<int>(raw.fflags)) : Error();
}

// Waits until a thread of libkqueue's has closed what closed queues used. Not in every version.
extern "C" [[gnu::weak]] void libkqueue_drain_pending_close();

void settle() {
    if (libkqueue_drain_pending_close != nullptr) libkqueue_drain_pending_close();
}

// Which descriptors are registered, and the search among them for lost events. libkqueue asks epoll
// for as many events as its caller has room for, makes up to two of each, and drops what does not
// fit. An edge that was dropped never comes back: a full answer makes every descriptor suspect.
class Ledger {
public:
    Error enter(int fd, std::uint64_t token);  // errors: EEXIST, ENOMEM
    void leave(int fd);
    void suspect_all() { unchecked_ = 0; }

    // Looks at suspects until some are ready, and returns how many; 0: no suspects are left.
    std::size_t check(Events& ready);

private:
    static constexpr std::uint64_t nobody = wake_token;

    std::vector<std::uint64_t> tokens_;  // by descriptor
    std::size_t unchecked_ = SIZE_MAX;   // the first suspect
};

Error Ledger::enter(int fd, std::uint64_t token) {
    auto index = static_cast<std::size_t>(fd);
    try {
        if (index >= tokens_.size()) tokens_.resize(index + 1, nobody);
    } catch (const std::bad_alloc&) {
        return std::errc::not_enough_memory;
    }
    if (tokens_[index] != nobody) return std::errc::file_exists;
    tokens_[index] = token;
    return {};
}

void Ledger::leave(int fd) {
    auto index = static_cast<std::size_t>(fd);
    if (index < tokens_.size()) tokens_[index] = nobody;
}

std::size_t Ledger::check(Events& ready) {
    constexpr short all = POLLIN | POLLOUT | POLLPRI | POLLRDHUP;
    std::array<pollfd, max_events> entries;
    std::size_t count = 0;
    while (count == 0 && unchecked_ < tokens_.size()) {
        std::size_t first = unchecked_;
        unchecked_ = std::min(first + entries.size(), tokens_.size());
        for (std::size_t fd = first; fd < unchecked_; ++fd) {
            bool registered = tokens_[fd] != nobody;
            entries[fd - first] = {registered ? static_cast<int>(fd) : -1, all, 0};
        }
        (void)::poll(entries.data(), unchecked_ - first, 0);
        for (std::size_t fd = first; fd < unchecked_; ++fd) {
            int bits = entries[fd - first].revents & ~POLLNVAL;
            bool hangup = (bits & (POLLHUP | POLLERR | POLLRDHUP | POLLPRI)) != 0;
            bool readable = hangup || (bits & POLLIN) != 0;
            bool writable = (bits & (POLLHUP | POLLERR | POLLOUT)) != 0;
            if (bits != 0) ready[count++] = {tokens_[fd], readable, writable, hangup};
        }
    }
    return count;
}

#else

constexpr bool forgets_closed = true;

void settle() {}

Error taken_error(const RawEvent&) { return {}; }

struct Ledger {
    Error enter(int, std::uint64_t) { return {}; }
    void leave(int) {}
    void suspect_all() {}
    std::size_t check(Events&) { return 0; }
};

#endif

// Whether urgent data has arrived. Only the kqueue of macOS says so with the event. Asking costs no
// more than the read in vain that would be needed if no short read could be trusted.
bool urgent(const RawEvent& raw) {
#ifdef EV_OOBAND
    return (raw.flags & EV_OOBAND) != 0;
#else
    pollfd entry{static_cast<int>(raw.ident), POLLPRI, 0};
    return ::poll(&entry, 1, 0) > 0 && (entry.revents & POLLPRI) != 0;
#endif
}

}  // namespace

const bool Poller::closing_removes = forgets_closed;

struct Poller::Kernel {
    int queue = -1;
    int wake[2] = {-1, -1};  // where wait() reads, where wake() writes
    Ledger ledger;
    std::array<RawEvent, max_events> raw;
    Events events;

    Error open();
    Error open_beyond_standard_streams();
    Error change(int fd, int filter, int flags, std::uint64_t token = 0);
    int wait(Deadline deadline);
};

Poller::Poller() : kernel_(std::make_unique<Kernel>()) {
    error_ = kernel_->open_beyond_standard_streams();
}

Poller::~Poller() {
    for (int fd : {kernel_->wake[0], kernel_->wake[1], kernel_->queue}) {
        if (fd >= 0) ::close(fd);
    }
    settle();
}

// What wakes is a byte in a socket, not an EVFILT_USER: libkqueue's kevent() takes locks, so a
// signal handler that interrupted it could wait for itself, while write(2) is safe there on every
// system. Without EV_CLEAR a byte that was not reported is reported again.
Error Poller::Kernel::open() {
    queue = ::kqueue();
    if (queue < 0) return last_errno();
    if (::fcntl(queue, F_SETFD, FD_CLOEXEC) < 0) return last_errno();
    if (open_socket_pair(AF_UNIX, SOCK_STREAM, 0, wake) < 0) return last_errno();
    return change(wake[0], EVFILT_READ, EV_ADD, wake_token);
}

// A process that was started without standard streams must not find the poller in their place.
Error Poller::Kernel::open_beyond_standard_streams() {
    int place = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    bool stream = place >= 0 && place <= STDERR_FILENO;
    Error error = stream ? open_beyond_standard_streams() : open();
    if (place >= 0) ::close(place);
    return error;
}

// One change a call: of several, a failure would hide which were made.
Error Poller::Kernel::change(int fd, int filter, int flags, std::uint64_t token) {
    RawEvent change{};
    EV_SET(&change, fd, filter, flags, 0, 0, std::bit_cast<decltype(change.udata)>(token));
    int result = ::kevent(queue, &change, 1, nullptr, 0, nullptr);
    Error error = result < 0 ? last_errno() : Error();
    return error == std::errc::interrupted ? Error() : error;  // the change was made all the same
}

// Both directions at once: libkqueue would forget EPOLLRDHUP if the filter for writing came later.
Error Poller::add(int fd, std::uint64_t token, bool) {
    // A kqueue watches regular files too, but is silent about one that was read to its end.
    struct stat status;
    if (::fstat(fd, &status) < 0) return last_errno();
    bool always_ready = S_ISREG(status.st_mode) || S_ISDIR(status.st_mode);
    if (always_ready) return std::errc::operation_not_permitted;
    if (Error error = kernel_->ledger.enter(fd, token)) return error;
    // libkqueue watches for EPOLLRDHUP only if the filter for reading comes last.
    Error error = kernel_->change(fd, EVFILT_WRITE, EV_ADD | EV_CLEAR, token);
    if (!error) error = kernel_->change(fd, EVFILT_READ, EV_ADD | EV_CLEAR, token);
    if (error) remove(fd);
    // A pipe whose other end is closed cannot be watched (EPIPE on FreeBSD and macOS, EBADF on
    // NetBSD) and need not be: it never blocks.
    bool never_blocks = error.code() == EPIPE || error.code() == EBADF;
    return never_blocks ? Error(EPERM) : error;
}

Error Poller::add_writes(int, std::uint64_t) { return {}; }

void Poller::remove(int fd) {
    kernel_->ledger.leave(fd);
    (void)kernel_->change(fd, EVFILT_READ, EV_DELETE);
    (void)kernel_->change(fd, EVFILT_WRITE, EV_DELETE);
}

int Poller::Kernel::wait(Deadline deadline) {
    Deadline now = Clock::now();
    Duration left = deadline <= now ? Duration::zero() : std::min(deadline - now, longest_wait);
    auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
    timespec limit{seconds.count(), (left - seconds).count()};
    const timespec* timeout = deadline == never ? nullptr : &limit;
    return ::kevent(queue, nullptr, 0, raw.data(), max_events, timeout);
}

Result<std::span<const Poller::Event>> Poller::wait(Deadline deadline) {
    Events& events = kernel_->events;
    std::size_t kept = kernel_->ledger.check(events);
    if (kept > 0) return std::span<const Event>(events.data(), kept);
    int count = kernel_->wait(deadline);
    if (count < 0) {
        Error error = last_errno();
        if (error != std::errc::interrupted) return error;
        count = 0;
    }
    if (count == max_events) kernel_->ledger.suspect_all();
    for (int i = 0; i < count; ++i) {
        const RawEvent& raw = kernel_->raw[static_cast<std::size_t>(i)];
        auto token = std::bit_cast<std::uint64_t>(raw.udata);
        if (token == wake_token) {
            char bytes[64];
            while (::read(kernel_->wake[0], bytes, sizeof bytes) == sizeof bytes) {
            }
            continue;
        }
        bool readable = raw.filter == EVFILT_READ;
        // The two directions of a descriptor tend to come together: one event tells of both.
        bool known = kept > 0 && events[kept - 1].token == token;
        if (!known) events[kept++] = {token, false, false, false};
        Event& event = events[kept - 1];
        (readable ? event.readable : event.writable) = true;
        if ((raw.flags & EV_EOF) != 0 || (readable && urgent(raw))) event.hangup = true;
        if (Error error = taken_error(raw)) event.error = error;
    }
    return std::span<const Event>(events.data(), kept);
}

void Poller::wake() { [[maybe_unused]] ssize_t n = ::write(kernel_->wake[1], "", 1); }

int Poller::fd() const { return kernel_->queue; }

}  // namespace coir
