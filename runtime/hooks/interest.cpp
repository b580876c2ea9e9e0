#include "runtime/hooks/interest.hpp"

#include <sys/epoll.h>

#include <algorithm>

namespace coir::hooks {

namespace {

constexpr auto tick = std::chrono::milliseconds(10);

static_assert(EPOLLIN == POLLIN && EPOLLOUT == POLLOUT && EPOLLPRI == POLLPRI);

}  // namespace

Interest::Interest(Call& call, int fd)
    : call_(call), epoll_(::epoll_create1(EPOLL_CLOEXEC)), list_(call.name(), true, fd) {
    if (epoll_ < 0) ticking_ = true;
}

Interest::~Interest() {
    if (watched_) call_.scheduler().unwatch(epoll_, true);
    if (epoll_ >= 0) ::close(epoll_);
}

void Interest::add(std::span<const pollfd> entries) {
    for (const pollfd& entry : entries) {
        if (ticking_ || entry.fd < 0) continue;
        epoll_event event{};
        event.events = static_cast<unsigned short>(entry.events);
        int result = ::epoll_ctl(epoll_, EPOLL_CTL_ADD, entry.fd, &event);
        if (result < 0 && errno == EEXIST) {  // named before: what is wanted of it in all
            for (const pollfd& other : entries) {
                if (other.fd == entry.fd) event.events |= static_cast<unsigned short>(other.events);
            }
            result = ::epoll_ctl(epoll_, EPOLL_CTL_MOD, entry.fd, &event);
        }
        // EPERM: a file, which the look before has found ready if anything was wanted of it.
        if (result < 0 && errno != EPERM) ticking_ = true;
    }
}

long Interest::wait(Deadline deadline) {
    if (!watched_ && epoll_ >= 0) {
        watched_ = !call_.scheduler().watch(epoll_, *this, false);
        if (!watched_) ticking_ = true;
    }
    Deadline until = ticking_ ? std::min(deadline, Clock::now() + tick) : deadline;
    long result = call_.park(list_, until);
    return result == -ETIMEDOUT && until < deadline ? 0 : result;
}

}  // namespace coir::hooks
