// patience.hpp: how a call on a socket in blocking mode waits.
#pragma once

#include <optional>

#include "runtime/hooks/interest.hpp"

namespace coir::hooks {

// Used after an attempt that would have blocked. One object for one call: SO_RCVTIMEO and
// SO_SNDTIMEO limit the call, not each of its waits.
class Patience {
public:
    // `event`: POLLIN or POLLOUT, with the socket's timeout for that direction.
    Patience(Call& call, int fd, short event) : call_(call), fd_(fd), event_(event) {}

    // Waits until another attempt is worth it. Returns 0 then; otherwise why not: -EAGAIN for a
    // socket in non-blocking mode and after its timeout, or what Call::park() says.
    long wait();

    // Whether the socket has failed or is shut: the next call reports it, so a call that has moved
    // some bytes ends here.
    bool broken() const { return has(0); }

    // Whether the other side of a stream will send nothing more.
    bool at_end() const { return has(POLLRDHUP); }

private:
    bool has(short event) const;  // or an error
    Deadline socket_deadline() const;

    Call& call_;
    int fd_;
    short event_;
    Deadline deadline_ = never;
    std::optional<Interest> interest_;
};

// Calls attempt(), which must not block, until it does something else than say that it would block.
template <class Attempt>
long retry(Call& call, Patience& patience, Attempt attempt) {
    long result = attempt();
    if (result != -EAGAIN) {
        call.keep_pace();
        return result;
    }
    do {
        if (long failed = patience.wait()) return failed;
        result = attempt();
    } while (result == -EAGAIN);
    return result;
}

// The socket's type, 0 for what is no open socket.
int socket_type(int fd);

// Whether the descriptor is a socket in blocking mode.
bool blocking_socket(int fd);

}  // namespace coir::hooks
