// lua_listener.hpp: what the servers of the socket module share.
//
// A server is its first socket. Behind it is a LuaListener, a userdata that belongs to all sockets
// of the server and to the fibers that serve it.
#pragma once

#include <string>
#include <vector>

#include "bindings/lua_socket_module.hpp"
#include "bindings/new_fiber.hpp"
#include "runtime/datagram.hpp"
#include "runtime/listener.hpp"

namespace coir {

struct LuaListener {
    enum UserValue { handler_value = 1, sockets_value, user_values = sockets_value };

    explicit LuaListener(Scheduler& scheduler) : listener(scheduler) {}

    Listener listener;
    std::vector<Address> addresses;
    std::string why;  // it could not be opened
    std::string name = "server";
    // False when the handler does not look at its second argument, which then need not be made.
    bool tells_sender = true;
    LuaSocket* incoming = nullptr;  // accepted, and not yet its handler's; nobody waits meanwhile
};

// The options of a server, checked.
struct ServerArguments {
    const char* function;  // that complains of them
    // It needs no handler, and a function in place of the options is a prepare.
    bool prepares = false;
    Endpoint endpoint{};
    Deadline deadline = never;
    Listener::Options options{};
    int handler = 0;  // where they are on the stack: functions, or nil
    int prepare = 0;
    int name = 0;  // a string, or nil
};

// Reads the options at `index`: a table, or the one function that is needed. Leaves what it reads
// on the stack. Raises for everything else.
void check_server_options(lua_State* L, int index, ServerArguments& arguments);

// (host, port, options[, timeout]) from index 1 on, for what is set in `arguments` already.
void check_server_arguments(lua_State* L, ServerArguments& arguments);

// Pushes a listener without sockets that has the handler and the name of `arguments`.
LuaListener& push_new_listener(lua_State* L, const ServerArguments& arguments);

// Pushes the listener and its first socket, once all of its sockets are bound. Waits for names.
// Otherwise pushes what module_failure() does, and returns nullptr.
LuaListener* push_open_listener(lua_State* L, const ServerArguments& arguments);

// Gives the listener at `index` the handler, the name and the limit of `arguments`.
void set_listener_options(lua_State* L, int index, const ServerArguments& arguments);

// Starts a fiber for each socket of the listener at `index`, the first `from` of them left out,
// that calls function(listener, socket) and closes the listener afterwards. False when it has
// pushed what module_failure() does.
bool start_serving(lua_State* L, int index, lua_CFunction function, std::size_t from = 0);

// Calls serve(listener, socket), the arguments from index 1 on, again and again while it fails for
// lack of memory. Returns the number of its results, or raises its error.
int outlast_shortage(lua_State* L, lua_CFunction serve);

// Pushes the address of the server's first socket with the port that was asked for.
void push_address_asked_for(lua_State* L, const LuaListener& shared);

// Pushes the handle of a fiber to come and the handler of the listener at index 1. As long as the
// fiber lives, so do the listener and the socket at `socket`.
void push_handler(lua_State* L, int socket);

// The fiber of a handler. The server lives as long, and counts it among its connections.
class HandlerFiber : public LuaFiber {
public:
    HandlerFiber(const Birth& birth, LuaListener& server, Socket* client = nullptr)
        : LuaFiber(birth), server_(server), connection_(server.listener, this, client) {}

protected:
    // "server/127.0.0.1:41234", unless it was given a name.
    std::string_view name_after(const Address& peer, NameRoom& room) const;

private:
    LuaListener& server_;
    Listener::Connection connection_;
};

// Starts a T, which is made of `what`, for what has come to `socket`: at `function`, above its
// handle, is the handler, and then its arguments; they are popped. Waits while there is no memory
// for it. Errors: those of Listener::endure().
template <class T, class... What>
Error start_handler(lua_State* L, LuaListener& shared, const Socket& socket, int function,
                    What&... what) {
    for (;;) {
        Result<T*> fiber = make_fiber<T>(L, function, shared, what...);
        bool had_client = std::exchange(shared.incoming, nullptr) != nullptr;
        if (fiber) {
            start_new_fiber(L, **fiber, true);
            return {};
        }
        if (had_client) add_finalizer(L, function + 1);
        if (Error ended = shared.listener.endure(fiber.error(), socket)) return ended;
    }
}

void make_listener_class(lua_State* L);

// Adds udp_server() to the table on top of the stack.
void add_udp_server(lua_State* L);

}  // namespace coir
