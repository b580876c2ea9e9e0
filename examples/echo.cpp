// echo.cpp: the echo server of echo_server.lua on the runtime alone, without Lua.
//
//     build/examples/echo [HOST [PORT]]
//
// HOST is a name or an address, 127.0.0.1 if none is given; PORT is 7000, and 0 lets the system
// choose. Prints `listening on HOST:PORT`. Ctrl-C ends it.
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#include "runtime/listener.hpp"
#include "runtime/scheduler.hpp"

using namespace coir;

namespace {

// Sends back what the client sends, until it has said all or is gone.
void echo(Socket& client, const Address&) {
    for (;;) {
        Result<std::size_t> n = client.fill_any(SIZE_MAX, never);
        if (!n || *n == 0) return;
        std::string_view data = client.buffered().substr(0, *n);
        std::size_t written = 0;
        if (client.write({&data, 1}, never, written)) return;
        client.consume(*n);
    }
}

// Listens, and says where. Fibers of the listener serve from then on.
Error start(Scheduler& scheduler, Resolver& resolver, const Endpoint& endpoint, std::string& why) {
    auto listener = std::make_shared<Listener>(scheduler);
    if (Error error = listener->open(resolver, endpoint, {}, never, why)) return error;
    Address::Text text = listener->sockets().front()->name()->text();
    std::printf("listening on %.*s\n", static_cast<int>(text.size), text.data);
    std::fflush(stdout);
    return serve(std::move(listener), echo);
}

}  // namespace

int main(int argc, char** argv) {
    Endpoint endpoint;
    endpoint.host = argc > 1 ? argv[1] : "127.0.0.1";
    endpoint.service = argc > 2 ? argv[2] : "7000";
    endpoint.passive = true;
    Scheduler scheduler;
    Resolver resolver(scheduler);
    std::string why;
    auto starter = scheduler.spawn([&] { (void)start(scheduler, resolver, endpoint, why); });
    Error error = starter ? scheduler.run() : starter.error();
    if (!error && why.empty()) return 0;
    std::fprintf(stderr, "echo: %s\n", why.empty() ? std::strerror(error.code()) : why.c_str());
    return 1;
}
