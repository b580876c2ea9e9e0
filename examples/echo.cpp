// echo.cpp: the echo server of echo_server.lua on the runtime alone, without Lua.
//
//     build/examples/echo [HOST [PORT]]
//
// HOST is a numeric address, 127.0.0.1 if none is given; PORT is 7000, and 0 lets the system choose.
// Prints `listening on HOST:PORT`. Ctrl-C ends it.
#include <sys/socket.h>

#include <cstdio>
#include <cstring>
#include <memory>

#include "runtime/scheduler.hpp"
#include "runtime/socket.hpp"

using namespace coir;

namespace {

// Sends back what the client sends, until it has said all or is gone.
void serve(Socket& client) {
    for (;;) {
        Result<std::size_t> n = client.fill_any(SIZE_MAX, never);
        if (!n || *n == 0) return;
        std::string_view data = client.buffered().substr(0, *n);
        std::size_t written = 0;
        if (client.write({&data, 1}, never, written)) return;
        client.consume(*n);
    }
}

// Runs serve() in a fiber of its own. The fiber owns the socket, which closes with it.
Error start_serving(Scheduler& scheduler, int fd, const Socket& listener) {
    auto client = std::make_unique<Socket>(scheduler);
    client->accepted(fd, listener);
    return scheduler.spawn([client = std::move(client)] { serve(*client); }, "client").error();
}

void accept_clients(Scheduler& scheduler, Socket& listener) {
    for (;;) {
        Address from;
        Result<int> fd = listener.accept(from);
        Error error = fd ? start_serving(scheduler, *fd, listener) : fd.error();
        if (!error) continue;
        std::fprintf(stderr, "cannot serve: %s\n", std::strerror(error.code()));
        // Out of descriptors or memory, most likely: some come back when clients leave.
        if (scheduler.sleep_until(deadline_after(0.1))) return;
    }
}

Error listen_on(Socket& listener, const char* host, const char* port) {
    Result<std::uint16_t> number = parse_port(port);
    if (!number) return number.error();
    Result<Address> address = Address::inet(AF_UNSPEC, host, *number);
    if (!address) return address.error();
    if (Error error = listener.open(address->family(), SOCK_STREAM, 0)) return error;
    int on = 1;
    ::setsockopt(listener.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (Error error = listener.bind(*address)) return error;
    return listener.listen(SOMAXCONN);
}

Error run(const char* host, const char* port) {
    Scheduler scheduler;
    Socket listener(scheduler);
    if (Error error = listen_on(listener, host, port)) return error;
    Result<Address> name = listener.name();
    if (!name) return name.error();
    Address::Text text = name->text();
    std::printf("listening on %.*s\n", static_cast<int>(text.size), text.data);
    std::fflush(stdout);
    auto server = scheduler.spawn([&] { accept_clients(scheduler, listener); }, "server");
    return server ? scheduler.run() : server.error();
}

}  // namespace

int main(int argc, char** argv) {
    const char* host = argc > 1 ? argv[1] : "127.0.0.1";
    const char* port = argc > 2 ? argv[2] : "7000";
    Error error = run(host, port);
    if (!error) return 0;
    std::fprintf(stderr, "echo: %s:%s: %s\n", host, port, std::strerror(error.code()));
    return 1;
}
