// serve.cpp: a fiber for each connection of a listener.
#include <unistd.h>

#include "runtime/listener.hpp"

namespace coir {

namespace {

struct Service {
    Service(std::shared_ptr<Listener> open, ConnectionHandler function)
        : listener(std::move(open)), handler(std::move(function)) {}
    std::shared_ptr<Listener> listener;
    ConnectionHandler handler;
};

struct Guest {
    Guest(const std::shared_ptr<Service>& host, Scheduler& scheduler)
        : service(host), connection(*host->listener), socket(scheduler) {}
    std::shared_ptr<Service> service;
    Listener::Connection connection;
    Socket socket;
    Address from;
};

// The fiber owns the guest, and with it the socket and its place among the connections.
Error start_serving(const std::shared_ptr<Service>& service, int fd, const Socket& on,
                    const Address& from) {
    Scheduler& scheduler = service->listener->scheduler();
    std::unique_ptr<Guest> guest;
    std::string name;
    try {
        name = from.text().view();
        guest = std::make_unique<Guest>(service, scheduler);
    } catch (const std::bad_alloc&) {
        ::close(fd);
        return std::errc::not_enough_memory;
    }
    guest->socket.accepted(fd, on);
    guest->from = from;
    Listener::Connection& connection = guest->connection;
    auto run = [guest = std::move(guest)] { guest->service->handler(guest->socket, guest->from); };
    auto fiber = scheduler.spawn(std::move(run), std::move(name));
    if (fiber) connection.fiber = fiber->get();
    return fiber.error();
}

void accept_connections(const std::shared_ptr<Service>& service, Socket& socket) {
    Listener& listener = *service->listener;
    Address from;
    for (;;) {
        Result<int> fd = listener.accept(socket, from);
        Error error = fd.error();
        if (fd) error = start_serving(service, *fd, socket, from);
        if (fd && error) error = listener.endure(error, socket);
        if (error) break;
    }
    listener.close();
}

}  // namespace

Error serve(std::shared_ptr<Listener> listener, ConnectionHandler handler) {
    Scheduler& scheduler = listener->scheduler();
    std::shared_ptr<Service> service;
    try {
        service = std::make_shared<Service>(std::move(listener), std::move(handler));
    } catch (const std::bad_alloc&) {
        return std::errc::not_enough_memory;
    }
    for (Socket* socket : service->listener->sockets()) {
        auto run = [service, socket] { accept_connections(service, *socket); };
        if (auto fiber = scheduler.spawn(std::move(run), "listener"); !fiber) {
            service->listener->close();
            return fiber.error();
        }
    }
    return {};
}

}  // namespace coir
