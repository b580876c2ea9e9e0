// listener.hpp: a server's sockets, and the connections that come to them.
//
// A listener binds every address it is given: one socket each, the same port on all of them, IPv6
// apart from IPv4. accept() outlasts what passes: peers that give up, and times in which
// descriptors or memory have run out. Connections are counted: accept() waits while there are as
// many as allowed, and stop() until none is left. serve() puts it together for C++ programs: a
// fiber for each connection.
//
// One thread only. A listener must outlive its connections and whoever waits in it.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/endpoint.hpp"
#include "runtime/list.hpp"
#include "runtime/socket.hpp"

namespace coir {

// The file of a Unix socket, which is deleted with it, unless it is another one by then.
class SocketFile {
public:
    SocketFile() = default;
    ~SocketFile() { remove(); }
    SocketFile(const SocketFile&) = delete;
    SocketFile& operator=(const SocketFile&) = delete;

    void created(std::string_view path);  // just now, by bind(2)
    void remove();
    void keep() { path_.clear(); }

private:
    std::string path_;
    dev_t device_ = 0;
    ino_t inode_ = 0;
};

class Listener {
public:
    struct Options {
        int type = SOCK_STREAM;  // or SOCK_DGRAM, which is bound and not listened on
        int backlog = SOMAXCONN;
        std::size_t max_connections = SIZE_MAX;
    };

    // What happens to a socket before it is bound, instead of SO_REUSEADDR. Returns the backlog.
    using Prepare = std::function<Result<int>(Socket& socket)>;

    // One connection, from its beginning to its end.
    class Connection : public ListHook<Connection> {
    public:
        explicit Connection(Listener& listener, Fiber* fiber = nullptr, Socket* socket = nullptr);
        ~Connection();
        Fiber* fiber;    // that serves it, and is cancelled when it takes too long to stop
        Socket* socket;  // that abandon() closes; nullptr: somebody else does

    private:
        Listener& listener_;
    };

    explicit Listener(Scheduler& scheduler) : scheduler_(scheduler) {}
    ~Listener() { close(); }
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

    // Binds and listens. An address that this machine does not have is skipped if there are others.
    // Port 0 is one of the kernel's choice, the same for all. The file of a dead Unix socket is
    // replaced. Errors: EINVAL without an address, EADDRINUSE, EADDRNOTAVAIL, EACCES, ENOMEM and
    // what socket(2), bind(2) and listen(2) report; `why` names the address.
    Error open(std::span<const Address> addresses, const Options& options, std::string& why);

    // The same for the addresses that `endpoint` means, which must be passive. Suspends, if it has
    // a name; a cancellation point. Further errors: those of find_addresses().
    Error open(Resolver& resolver, const Endpoint& endpoint, const Options& options,
               Deadline deadline, std::string& why);

    // The same on the caller's sockets, of which there must be enough, all closed; those that are
    // not needed stay closed. They must live until close().
    Error open(std::span<const Address> addresses, std::span<Socket* const> sockets,
               const Options& options, const Prepare& prepare, std::string& why);

    Scheduler& scheduler() const { return scheduler_; }
    std::span<Socket* const> sockets() const { return sockets_; }
    void set_max_connections(std::size_t n) { max_connections_ = n; }
    std::size_t connections() const { return connection_count_; }

    // The next connection of `socket`, which listens; the descriptor belongs to the caller, who
    // makes it a Connection before he waits. Waits also while there are max_connections(), which
    // leaves others in the kernel's queue, and while descriptors or memory are short: then it says
    // so on standard error, once, and tries again after 5 ms, 10 ms and so on up to 1 s, and
    // whenever a connection ends. Suspends; a cancellation point. Errors: EBADF when it is closed,
    // EINVAL when it does not listen, ECANCELED, EINTR (interrupted).
    Result<int> accept(Socket& socket, Address& from);

    // What accept() does with an error: returns one that will not pass, and otherwise waits for a
    // while.
    Error endure(Error error, const Socket& socket);

    // Waits until there is room for another connection. Errors: EBADF when closed, those of park().
    Error await_room();

    // Ends all accepting with EBADF and closes the sockets. Connections go on.
    void close();
    bool is_open() const { return !sockets_.empty(); }
    // Leaves the file of a Unix socket alone.
    void keep_file() { file_.keep(); }

    // close(), waits until all connections but the calling fiber's own have ended, and cancels at
    // `deadline` those that have not. Returns how many these were. Suspends; a cancellation point.
    // Errors: ECANCELED, EINTR.
    Result<std::size_t> stop(Deadline deadline = never);

    // Closes the sockets of the connections and frees what they hold: for an end at which their
    // fibers do not go on.
    void abandon();

private:
    struct Plan;
    Error bind_all(const Plan& plan, std::uint16_t port, std::string& why);
    Error bind_one(Socket& socket, const Address& address, const Plan& plan);
    void close_all();
    std::size_t own_connections();

    Scheduler& scheduler_;
    std::vector<Socket*> sockets_;
    std::vector<std::unique_ptr<Socket>> own_;
    SocketFile file_;
    List<Connection, Connection> connections_;
    std::size_t connection_count_ = 0;
    std::size_t max_connections_ = SIZE_MAX;
    WaitList room_{"room for a connection"};
    WaitList shortage_{"resources to accept"};
    WaitList idle_{"connections to end"};
    Duration pause_{};
    bool complained_ = false;
};

// Accepts in a fiber for each socket of `listener`, which is open, and runs the handler in a fiber
// for each connection, until the listener is closed. The client's socket is closed afterwards.
// Returns at once. Errors: ENOMEM.
using ConnectionHandler = std::function<void(Socket& client, const Address& from)>;
Error serve(std::shared_ptr<Listener> listener, ConnectionHandler handler);

}  // namespace coir
