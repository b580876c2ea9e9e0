#include "runtime/descriptor.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "runtime/prefetch.hpp"

namespace coir {

namespace {

constexpr unsigned both = Descriptor::readable | Descriptor::writable;

// The directions of `wanted` in which the descriptor is ready at this moment. An error condition
// counts as ready: the call that follows reports it. Error: EBADF.
Result<unsigned> ready_now(int fd, unsigned wanted) {
    pollfd entry{fd, 0, 0};
    if (wanted & Descriptor::readable) entry.events |= POLLIN;
    if (wanted & Descriptor::writable) entry.events |= POLLOUT;
    if (::poll(&entry, 1, 0) <= 0) return 0U;
    if (entry.revents & POLLNVAL) return std::errc::bad_file_descriptor;
    if (entry.revents & (POLLERR | POLLHUP)) return wanted;
    unsigned ready = 0;
    if (entry.revents & POLLIN) ready |= Descriptor::readable;
    if (entry.revents & POLLOUT) ready |= Descriptor::writable;
    return ready;
}

}  // namespace

void Descriptor::open(int fd, bool shared) {
    fd_ = fd;
    shared_ = shared;
    hints_ = both;
    failure_ = {};
    readers_.set_fd(fd);
    writers_.set_fd(fd);
    either_.set_fd(fd);
}

Error Descriptor::close() {
    if (fd_ < 0) return std::errc::bad_file_descriptor;
    int fd = fd_;
    forget(fd, !shared_);
    // After EINTR the descriptor is closed all the same on Linux and the BSDs; trying again would
    // close somebody else's.
    if (::close(fd) < 0 && errno != EINTR) return last_errno();
    return {};
}

int Descriptor::detach() {
    int fd = fd_;
    if (fd >= 0) forget(fd, false);
    return fd;
}

void Descriptor::forget(int fd, bool closing) {
    fd_ = -1;
    (void)set_background(nullptr);
    if (watched_ != 0) scheduler_.unwatch(fd, closing);
    watched_ = 0;
    for (WaitList* list : {&readers_, &writers_, &either_}) {
        scheduler_.wake_all(*list, std::errc::bad_file_descriptor);
    }
}

void Descriptor::ready(const Poller::Event& event) {
    if (event.hangup) hangup_ = true;
    if (event.error) failure_ = event.error;
    if (event.readable) {
        set(Direction::read, true);
        scheduler_.wake_all(readers_);
    }
    if (event.writable) {
        set(Direction::write, true);
        scheduler_.wake_all(writers_);
        if (background_ != nullptr) background_->departing();
    }
    if (either_used_) scheduler_.wake_all(either_);
}

void Descriptor::prefetch_waiter() { prefetch(&readers_.front(), 2); }

Error Descriptor::set_background(Departure* background) {
    if (background != nullptr) {
        if (Error error = watch(writable)) return error;
    }
    if (background_ == nullptr && background != nullptr) scheduler_.hold();
    if (background_ != nullptr && background == nullptr) scheduler_.release();
    background_ = background;
    return {};
}

WaitList& Descriptor::list(unsigned wanted) {
    if (wanted == readable) return readers_;
    if (wanted == writable) return writers_;
    either_used_ = true;
    return either_;
}

Error Descriptor::watch(unsigned directions) {
    if ((directions & ~watched_) == 0) return {};
    bool writes = (directions & writable) != 0;
    Error error =
        watched_ == 0 ? scheduler_.watch(fd_, *this, writes) : scheduler_.watch_writes(fd_);
    if (!error) watched_ = writes ? both : readable;
    return error;
}

Error Descriptor::await_event(Direction direction, Deadline deadline) {
    while (fd_ >= 0 && !get(direction) && deadline != immediate) {
        Error error = watch(static_cast<unsigned>(direction));
        if (error.code() == EPERM) {  // a regular file never blocks
            set(direction, true);
            break;
        }
        if (!error) error = scheduler_.park(list(static_cast<unsigned>(direction)), deadline);
        if (error) return error;
    }
    return fd_ < 0 ? Error(EBADF) : failure(direction);
}

Error Descriptor::rest(Deadline deadline) {
    if (Error error = watch(readable)) return error;
    return scheduler_.rest(readers_, deadline);
}

Error Descriptor::failure(Direction direction) {
    int unread = 0;
    if (failure_ && direction == Direction::read) (void)::ioctl(fd_, FIONREAD, &unread);
    return unread > 0 ? Error() : std::exchange(failure_, Error());
}

Result<unsigned> Descriptor::wait(unsigned wanted, Deadline deadline) {
    if (fd_ < 0) return std::errc::bad_file_descriptor;
    if (Error error = scheduler_.checkpoint()) return error;
    if (fd_ < 0) return wanted;
    if (failure_) {
        if (Error error = scheduler_.yield()) return error;
        return wanted;
    }
    if ((hints_ & wanted) != 0) {
        Result<unsigned> now = ready_now(fd_, wanted);
        if (!now) return now;
        hints_ = static_cast<std::uint8_t>((hints_ & ~wanted) | *now);
        if (*now != 0) {
            // Others get their turn even if this fiber waits for what is always ready.
            if (Error error = scheduler_.yield()) return error;
            if (fd_ < 0) return wanted;
            if ((hints_ & *now) != 0) return hints_ & *now;
        }
    }
    for (;;) {
        Error error = watch(wanted);
        if (error.code() == EPERM) return wanted;
        if (!error) error = scheduler_.park(list(wanted), deadline);
        if (error.code() == EBADF && fd_ < 0) return wanted;
        if (error) return error;
        if (unsigned now = hints_ & wanted) return now;
    }
}

// The wait happens on a copy of the descriptor: the number itself may be closed and reused by its
// owner meanwhile, or be registered by another waiter.
Result<unsigned> wait_foreign(Scheduler& scheduler, int fd, unsigned wanted, Deadline deadline) {
    if (Error error = scheduler.checkpoint()) return error;
    Result<unsigned> now = ready_now(fd, wanted);
    if (!now) return now;
    if (*now != 0) {
        if (Error error = scheduler.yield()) return error;
        return now;
    }
    int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) return last_errno();
    Descriptor guest(scheduler);
    guest.open(copy, true);
    return guest.wait(wanted, deadline);
}

}  // namespace coir
