// poller_epoll.cpp: the poller on Linux's epoll(7).
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>

#include "runtime/poller.hpp"

namespace coir {

namespace {

constexpr int max_events = 256;
constexpr std::uint64_t wake_token = UINT64_MAX;
constexpr std::uint32_t reads = EPOLLIN | EPOLLPRI | EPOLLRDHUP;

// A process that was started without standard streams must not find the poller in their place.
int beyond_standard_streams(int fd) {
    if (fd < 0 || fd > STDERR_FILENO) return fd;
    int moved = ::fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    int saved_errno = errno;
    ::close(fd);
    errno = saved_errno;
    return moved;
}

}  // namespace

const bool Poller::closing_removes = true;

struct Poller::Kernel {
    int epoll = -1;
    int wake = -1;
    bool nanoseconds = true;  // epoll_pwait2 (Linux 5.11) until the kernel says otherwise
    std::array<epoll_event, max_events> raw;
    std::array<Event, max_events> events;

    Error change(int operation, int fd, std::uint64_t token, std::uint32_t interest);
    int wait(Deadline deadline);
};

Poller::Poller() : kernel_(std::make_unique<Kernel>()) {
    kernel_->epoll = beyond_standard_streams(::epoll_create1(EPOLL_CLOEXEC));
    if (kernel_->epoll < 0) {
        error_ = last_errno();
        return;
    }
    kernel_->wake = beyond_standard_streams(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    error_ = kernel_->wake < 0 ? last_errno()
                               : kernel_->change(EPOLL_CTL_ADD, kernel_->wake, wake_token, EPOLLIN);
}

Poller::~Poller() {
    if (kernel_->wake >= 0) ::close(kernel_->wake);
    if (kernel_->epoll >= 0) ::close(kernel_->epoll);
}

Error Poller::Kernel::change(int operation, int fd, std::uint64_t token, std::uint32_t interest) {
    epoll_event event{};
    event.events = interest | EPOLLET;
    event.data.u64 = token;
    if (::epoll_ctl(epoll, operation, fd, &event) == 0) return {};
    return last_errno();
}

Error Poller::add(int fd, std::uint64_t token, bool writes) {
    return kernel_->change(EPOLL_CTL_ADD, fd, token, writes ? reads | EPOLLOUT : reads);
}

Error Poller::add_writes(int fd, std::uint64_t token) {
    return kernel_->change(EPOLL_CTL_MOD, fd, token, reads | EPOLLOUT);
}

void Poller::remove(int fd) {
    epoll_event unused{};
    ::epoll_ctl(kernel_->epoll, EPOLL_CTL_DEL, fd, &unused);
}

// Where there is no moment to hit, the older call is cheaper, and nobody has to know the time.
int Poller::Kernel::wait(Deadline deadline) {
    if (deadline == never) return ::epoll_wait(epoll, raw.data(), max_events, -1);
    if (deadline == Deadline::min()) return ::epoll_wait(epoll, raw.data(), max_events, 0);
    Duration left = std::max(deadline - Clock::now(), Duration::zero());
    if (nanoseconds) {
        auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
        timespec time{seconds.count(), (left - seconds).count()};
        int count = ::epoll_pwait2(epoll, raw.data(), max_events, &time, nullptr);
        if (count >= 0 || errno != ENOSYS) return count;
        nanoseconds = false;
    }
    // Rounded up: a wait that ends early would find no timer due and have to start again.
    auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(left).count();
    int limit = static_cast<int>(std::min<long long>(milliseconds, INT_MAX));
    return ::epoll_wait(epoll, raw.data(), max_events, limit);
}

Result<std::span<const Poller::Event>> Poller::wait(Deadline deadline) {
    int count = kernel_->wait(deadline);
    if (count < 0) {
        Error error = last_errno();
        if (error != std::errc::interrupted) return error;
        count = 0;
    }
    std::size_t kept = 0;
    for (int i = 0; i < count; ++i) {
        const epoll_event& event = kernel_->raw[static_cast<std::size_t>(i)];
        if (event.data.u64 == wake_token) {
            std::uint64_t unused;
            [[maybe_unused]] ssize_t n = ::read(kernel_->wake, &unused, sizeof unused);
            continue;
        }
        std::uint32_t bits = event.events;
        bool broken = (bits & (EPOLLHUP | EPOLLERR)) != 0;
        kernel_->events[kept++] = Event{
            event.data.u64, broken || (bits & (EPOLLIN | EPOLLRDHUP | EPOLLPRI)) != 0,
            broken || (bits & EPOLLOUT) != 0, broken || (bits & (EPOLLRDHUP | EPOLLPRI)) != 0};
    }
    return std::span<const Event>(kernel_->events.data(), kept);
}

void Poller::wake() {
    std::uint64_t one = 1;
    [[maybe_unused]] ssize_t n = ::write(kernel_->wake, &one, sizeof one);
}

int Poller::fd() const { return kernel_->epoll; }

}  // namespace coir
