#include "runtime/listener.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "runtime/platform.hpp"

namespace coir {

namespace {

constexpr auto first_pause = std::chrono::milliseconds(5);
constexpr auto longest_pause = std::chrono::seconds(1);
constexpr int port_tries = 16;  // for a port of the kernel's choice that is free in all families

Error switch_on(const Socket& socket, int level, int option) {
    int on = 1;
    return ::setsockopt(socket.fd(), level, option, &on, sizeof on) == 0 ? Error() : last_errno();
}

bool is_foreign(Error error) {
    return error == std::errc::address_not_available ||
           error == std::errc::address_family_not_supported;
}

// What accept(2) will report again and again. Everything else passes: resources run out and come
// back, and Linux also hands out errors of the network.
bool is_final(Error error) {
    switch (error.code()) {
        case EBADF:
        case EINVAL:
        case ENOTSOCK:
        case EOPNOTSUPP:
        case ECANCELED:
        case EINTR:
            return true;
        default:
            return false;
    }
}

// True when `path` is the file of a Unix socket on which nobody listens.
bool is_dead(const Address& address, const std::string& path, int type) {
    struct stat file {};
    if (path.empty() || ::lstat(path.c_str(), &file) < 0 || !S_ISSOCK(file.st_mode)) return false;
    int probe = open_socket(AF_UNIX, type, 0);
    if (probe < 0) return false;
    bool refused = ::connect(probe, address.data(), address.size()) < 0 && errno == ECONNREFUSED;
    ::close(probe);
    return refused;
}

}  // namespace

// -- The file of a Unix socket --------------------------------------------------------------------

void SocketFile::created(std::string_view path) {
    struct stat file {};
    path_ = path;
    if (::lstat(path_.c_str(), &file) < 0) path_.clear();
    device_ = file.st_dev;
    inode_ = file.st_ino;
}

void SocketFile::remove() {
    struct stat file {};
    bool there = !path_.empty() && ::lstat(path_.c_str(), &file) == 0;
    if (there && file.st_dev == device_ && file.st_ino == inode_) ::unlink(path_.c_str());
    path_.clear();
}

// -- Opening --------------------------------------------------------------------------------------

struct Listener::Plan {
    std::span<const Address> addresses;
    std::span<Socket* const> sockets;
    const Options& options;
    const Prepare& prepare;
};

Error Listener::open(std::span<const Address> addresses, const Options& options, std::string& why) {
    try {
        std::vector<Socket*> sockets;
        for (std::size_t i = 0; i < addresses.size(); ++i) {
            own_.push_back(std::make_unique<Socket>(scheduler_));
            sockets.push_back(own_.back().get());
        }
        return open(addresses, sockets, options, nullptr, why);
    } catch (const std::bad_alloc&) {
        return std::errc::not_enough_memory;
    }
}

Error Listener::open(Resolver& resolver, const Endpoint& endpoint, const Options& options,
                     Deadline deadline, std::string& why) {
    try {
        std::vector<Address> addresses;
        Error error = find_addresses(resolver, endpoint, deadline, addresses, why);
        return error ? error : open(addresses, options, why);
    } catch (const std::bad_alloc&) {
        return std::errc::not_enough_memory;
    }
}

Error Listener::open(std::span<const Address> addresses, std::span<Socket* const> sockets,
                     const Options& options, const Prepare& prepare, std::string& why) {
    if (addresses.empty()) return std::errc::invalid_argument;
    max_connections_ = options.max_connections;
    Plan plan{addresses, sockets, options, prepare};
    std::uint16_t port = addresses.front().port();
    try {
        for (int tries = 1;; ++tries) {
            Error error = bind_all(plan, port, why);
            if (!error) return {};
            // The kernel chose a port for the first that is taken for another.
            bool again = error == std::errc::address_in_use && port == 0 && sockets_.size() > 1;
            close_all();
            if (!again || tries == port_tries) return error;
        }
    } catch (const std::bad_alloc&) {
        close_all();
        return std::errc::not_enough_memory;
    }
}

Error Listener::bind_all(const Plan& plan, std::uint16_t port, std::string& why) {
    Error last;
    for (std::size_t i = 0; i < plan.addresses.size(); ++i) {
        const Address& address = plan.addresses[i];
        auto before = plan.addresses.first(i);
        if (std::find(before.begin(), before.end(), address) != before.end()) continue;
        Socket& socket = *plan.sockets[sockets_.size()];
        sockets_.push_back(&socket);
        Address own = address;
        own.set_port(port);
        Error error = bind_one(socket, own, plan);
        if (!error) {
            if (port == 0) port = (*socket.name()).port();
            continue;
        }
        why = std::string(address.text().view()) + ": " + std::strerror(error.code());
        if (!is_foreign(error)) return error;
        last = error;
        sockets_.pop_back();
        if (socket.is_open()) (void)socket.close();
    }
    return sockets_.empty() ? last : Error();
}

Error Listener::bind_one(Socket& socket, const Address& address, const Plan& plan) {
    const Options& options = plan.options;
    bool stream = options.type == SOCK_STREAM;
    int protocol = address.family() == AF_UNIX ? 0 : stream ? IPPROTO_TCP : IPPROTO_UDP;
    if (Error error = socket.open(address.family(), options.type, protocol)) return error;
    if (address.family() == AF_INET6) {
        if (Error error = switch_on(socket, IPPROTO_IPV6, IPV6_V6ONLY)) return error;
    }
    Result<int> backlog = options.backlog;
    if (plan.prepare) {
        backlog = plan.prepare(socket);
    } else if (stream && address.family() != AF_UNIX) {
        if (Error error = switch_on(socket, SOL_SOCKET, SO_REUSEADDR)) return error;
    }
    if (!backlog) return backlog.error();
    std::string path(address.path().view());
    Error error = socket.bind(address);
    if (error == std::errc::address_in_use && is_dead(address, path, options.type)) {
        ::unlink(path.c_str());
        error = socket.bind(address);
    }
    if (error) return error;
    if (!path.empty() && path.front() != '\0') file_.created(path);
    return stream ? socket.listen(*backlog) : Error();
}

void Listener::close_all() {
    file_.remove();
    for (Socket* socket : sockets_) {
        if (socket->is_open()) (void)socket->close();
    }
    sockets_.clear();
}

void Listener::close() {
    close_all();
    scheduler_.wake_all(room_, std::errc::bad_file_descriptor);
    scheduler_.wake_all(shortage_, std::errc::bad_file_descriptor);
}

// -- Accepting ------------------------------------------------------------------------------------

Result<int> Listener::accept(Socket& socket, Address& from) {
    for (;;) {
        if (Error error = scheduler_.checkpoint()) return error;
        if (Error error = socket.descriptor().await(Direction::read, never)) return error;
        if (Error error = await_room()) return error;
        if (!socket.is_open()) return std::errc::bad_file_descriptor;
        Result<int> fd = socket.accept(from, immediate);
        if (fd) {
            pause_ = {};
            return fd;
        }
        if (would_block(fd.error())) {
            complained_ = false;  // everybody who waited has been let in
        } else if (Error error = endure(fd.error(), socket)) {
            return error;
        }
    }
}

Error Listener::await_room() {
    while (connection_count_ >= max_connections_) {
        if (Error error = scheduler_.park(room_)) return error;
    }
    return {};
}

Error Listener::endure(Error error, const Socket& socket) {
    if (is_final(error)) return error;
    if (!std::exchange(complained_, true)) {
        Result<Address> name = socket.name();
        Address::Text text = name ? name->text() : Address::Text();
        std::fprintf(stderr, "server %.*s: %s; it goes on when it can\n",
                     static_cast<int>(text.size), text.data, std::strerror(error.code()));
    }
    pause_ = std::clamp<Duration>(pause_ * 2, first_pause, longest_pause);
    Error woken_by = scheduler_.park(shortage_, Clock::now() + pause_);
    return woken_by == std::errc::timed_out ? Error() : woken_by;
}

// -- Connections ----------------------------------------------------------------------------------

Listener::Connection::Connection(Listener& listener, Fiber* serving, Socket* served)
    : fiber(serving), socket(served), listener_(listener) {
    listener_.connections_.push_back(*this);
    ++listener_.connection_count_;
}

Listener::Connection::~Connection() {
    unlink();
    --listener_.connection_count_;
    listener_.scheduler_.wake_all(listener_.room_);
    listener_.scheduler_.wake_all(listener_.shortage_);
    listener_.scheduler_.wake_all(listener_.idle_);
}

std::size_t Listener::own_connections() {
    std::size_t own = 0;
    connections_.for_each(
        [&](Connection& connection) { own += connection.fiber == scheduler_.running(); });
    return own;
}

Result<std::size_t> Listener::stop(Deadline deadline) {
    close();
    std::size_t own = own_connections();
    Error error;
    while (!error && connection_count_ > own) error = scheduler_.park(idle_, deadline);
    if (!error) return 0;
    if (error != std::errc::timed_out) return error;
    std::size_t cancelled = 0;
    connections_.for_each([&](Connection& connection) {
        if (connection.fiber == scheduler_.running()) return;
        scheduler_.cancel(*connection.fiber);
        ++cancelled;
    });
    if (Error interrupted = scheduler_.yield()) return interrupted;  // they end meanwhile
    return cancelled;
}

void Listener::abandon() {
    connections_.for_each([](Connection& connection) {
        if (connection.socket != nullptr) connection.socket->abandon();
    });
}

}  // namespace coir
