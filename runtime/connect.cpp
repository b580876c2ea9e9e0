#include "runtime/connect.hpp"

#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <vector>

#include "runtime/platform.hpp"

namespace coir {

namespace {

void switch_on(int fd, int level, int option) {
    int on = 1;
    (void)::setsockopt(fd, level, option, &on, sizeof on);
}

// One address, and what has become of the connection to it.
class Attempt final : private Watcher {
public:
    enum class State { waiting, under_way, connected, failed };

    Attempt(Scheduler& scheduler, WaitList& news, const Address& address)
        : scheduler_(scheduler), news_(news), address_(address) {}
    ~Attempt() { end(); }
    Attempt(const Attempt&) = delete;
    Attempt& operator=(const Attempt&) = delete;

    const Address& address() const { return address_; }
    State state() const { return state_; }
    Error error() const { return error_; }
    int fd() const { return fd_; }

    void begin(const ConnectOptions& options) {
        fd_ = open_socket(address_.family(), SOCK_STREAM, 0);
        Error error = fd_ < 0 ? last_errno() : set_up(options);
        if (!error && ::connect(fd_, address_.data(), address_.size()) < 0) error = last_errno();
        if (error == std::errc::operation_in_progress || error == std::errc::interrupted) {
            state_ = State::under_way;
        } else {
            finish(error);
        }
    }

    // Asks the kernel, or tells what it has reported already.
    void look() {
        pollfd entry{fd_, POLLOUT, 0};
        if (!reported_ && ::poll(&entry, 1, 0) <= 0) return;
        int error = 0;
        socklen_t size = sizeof error;
        if (::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size) < 0) error = errno;
        finish(reported_ ? reported_ : Error(error));
    }

    // From now on the list is woken when there is something to look at.
    Error watch() {
        if (watched_) return {};
        Error error = scheduler_.watch(fd_, *this, true);
        watched_ = !error;
        return error;
    }

    void fail(Error error) {
        end();
        error_ = error;
        state_ = State::failed;
    }

    // The descriptor, which is the caller's from now on.
    int take() {
        forget(false);
        return std::exchange(fd_, -1);
    }

private:
    Error set_up(const ConnectOptions& options) {
        if (options.nodelay) switch_on(fd_, IPPROTO_TCP, TCP_NODELAY);
        if (options.keepalive) switch_on(fd_, SOL_SOCKET, SO_KEEPALIVE);
        if (options.local.family() == AF_UNSPEC) return {};
#ifdef IP_BIND_ADDRESS_NO_PORT
        // Many connections from one address may share a port, as they go to different ones.
        if (options.local.port() == 0) switch_on(fd_, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT);
#endif
        int bound = ::bind(fd_, options.local.data(), options.local.size());
        return bound == 0 ? Error() : last_errno();
    }

    void finish(Error error) {
        if (!error && is_its_own_peer()) error = std::errc::connection_refused;
        if (error) {
            fail(error);
        } else {
            state_ = State::connected;
        }
    }

    // A port of the kernel's choice can be the very one that is connected to; TCP joins it to
    // itself.
    bool is_its_own_peer() const {
        Address own;
        socklen_t* size = own.room_size();
        return ::getsockname(fd_, own.room(), size) == 0 && own == address_;
    }

    void ready(const Poller::Event& event) override {
        if (event.error) reported_ = event.error;
        scheduler_.wake_all(news_);
    }

    void forget(bool closing) {
        if (watched_) scheduler_.unwatch(fd_, closing);
        watched_ = false;
    }

    void end() {
        if (fd_ < 0) return;
        forget(true);
        ::close(std::exchange(fd_, -1));
    }

    Scheduler& scheduler_;
    WaitList& news_;
    Address address_;
    int fd_ = -1;
    bool watched_ = false;
    State state_ = State::waiting;
    Error error_;
    Error reported_;  // by the poller, which may have taken it from the socket
};

class Race {
public:
    Race(Scheduler& scheduler, const ConnectOptions& options)
        : scheduler_(scheduler), options_(options) {}

    // The first address, then the first of the other family, and so on (RFC 8305, section 4).
    void enter(std::span<const Address> addresses) {
        std::vector<Address> order[2];  // the family of the first, and others
        for (const Address& address : addresses) {
            auto& family = order[address.family() == addresses.front().family() ? 0 : 1];
            bool known = std::find(family.begin(), family.end(), address) != family.end();
            if (!known) family.push_back(address);
        }
        for (std::size_t i = 0; i < std::max(order[0].size(), order[1].size()); ++i) {
            for (const auto& family : order) {
                if (i < family.size()) attempts_.emplace_back(scheduler_, news_, family[i]);
            }
        }
    }

    // Returns the descriptor of the first connection, or the error that ends them all.
    Result<int> run(Deadline deadline) {
        for (;;) {
            if (next_ < attempts_.size() && (under_way_ == 0 || Clock::now() >= next_at_)) {
                attempts_[next_++].begin(options_);
                ++under_way_;
                next_at_ = Clock::now() + options_.attempt_delay;
            }
            bool one_failed = look();
            if (winner_ != nullptr) return winner_->take();
            if (one_failed && next_ < attempts_.size()) {
                next_at_ = Deadline::min();
                continue;
            }
            if (under_way_ == 0) return attempts_[next_ - 1].error();
            if (Error error = wait(deadline)) return error;
        }
    }

    const Attempt& winner() const { return *winner_; }

    std::string explain() const {
        std::string text;
        for (const Attempt& attempt : attempts_) {
            if (!text.empty()) text += "; ";
            text += attempt.address().text().view();
            bool tried = attempt.state() != Attempt::State::waiting;
            text +=
                tried ? std::string(": ") + std::strerror(attempt.error().code()) : ": not tried";
        }
        return text;
    }

private:
    // True when an attempt that was under way has failed.
    bool look() {
        std::size_t before = std::exchange(under_way_, 0);
        for (std::size_t i = 0; i < next_; ++i) {
            Attempt& attempt = attempts_[i];
            if (attempt.state() == Attempt::State::under_way) attempt.look();
            if (attempt.state() == Attempt::State::under_way) ++under_way_;
            if (attempt.state() == Attempt::State::connected) winner_ = &attempt;
        }
        return under_way_ < before;
    }

    // Waits for news of an attempt, or until another one is due.
    Error wait(Deadline deadline) {
        for (std::size_t i = 0; i < next_; ++i) {
            if (attempts_[i].state() != Attempt::State::under_way) continue;
            if (Error error = attempts_[i].watch()) return error;
        }
        bool more = next_ < attempts_.size();
        Error error = scheduler_.park(news_, more ? std::min(deadline, next_at_) : deadline);
        if (error != std::errc::timed_out) return error;
        if (more && Clock::now() < deadline) return {};
        (void)look();
        if (winner_ != nullptr) return {};
        for (std::size_t i = 0; i < next_; ++i) {
            if (attempts_[i].state() == Attempt::State::under_way) attempts_[i].fail(error);
        }
        return error;
    }

    Scheduler& scheduler_;
    const ConnectOptions& options_;
    WaitList news_{"connect", true};
    std::deque<Attempt> attempts_;
    std::size_t next_ = 0;  // those before it have begun
    std::size_t under_way_ = 0;
    Deadline next_at_{};
    Attempt* winner_ = nullptr;
};

// A Unix socket has one address, and its own way to wait.
Error connect_path(Socket& socket, const Address& address, Deadline deadline, std::string& why) {
    Error error = socket.open(AF_UNIX, SOCK_STREAM, 0);
    if (!error) error = socket.connect(address, deadline);
    if (!error) return {};
    if (socket.is_open()) (void)socket.close();
    why = std::string(address.text().view()) + ": " + std::strerror(error.code());
    return error;
}

}  // namespace

Error connect_any(Socket& socket, std::span<const Address> addresses, const ConnectOptions& options,
                  Deadline deadline, std::string& why) {
    Scheduler& scheduler = socket.descriptor().scheduler();
    if (Error error = scheduler.checkpoint()) return error;
    if (addresses.empty()) return std::errc::invalid_argument;
    try {
        const Address& first = addresses.front();
        if (first.family() == AF_UNIX) return connect_path(socket, first, deadline, why);
        Race race(scheduler, options);
        race.enter(addresses);
        Result<int> fd = race.run(deadline);
        if (fd) {
            socket.take(*fd, race.winner().address().family(), SOCK_STREAM, IPPROTO_TCP);
            return {};
        }
        why = race.explain();
        return fd.error();
    } catch (const std::bad_alloc&) {
        return std::errc::not_enough_memory;
    }
}

Error connect(Socket& socket, Resolver& resolver, const Endpoint& endpoint,
              const ConnectOptions& options, Deadline deadline, std::string& why) {
    try {
        std::vector<Address> addresses;
        Error error = find_addresses(resolver, endpoint, deadline, addresses, why);
        return error ? error : connect_any(socket, addresses, options, deadline, why);
    } catch (const std::bad_alloc&) {
        return std::errc::not_enough_memory;
    }
}

}  // namespace coir
