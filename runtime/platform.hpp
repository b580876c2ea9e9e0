// platform.hpp: descriptors that are born non-blocking and close-on-exec, on every system.
//
// One file a platform: platform_linux.cpp has the system calls that do it in one step;
// platform_bsd.cpp (macOS and the BSDs) sets the flags afterwards. Each returns what the system
// call returns.
#pragma once

#include <poll.h>
#include <sys/socket.h>

#include <span>

namespace coir {

int open_socket(int domain, int type, int protocol);
int open_socket_pair(int domain, int type, int protocol, int fds[2]);
int accept_socket(int listener, sockaddr* address, socklen_t* size);
// Whether nobody waits at a listening socket to be accepted; false where it costs no less to try.
bool nobody_at(int listener);

// Makes a descriptor of somebody else's non-blocking and close-on-exec.
int adopt_descriptor(int fd);

// A new descriptor that is readable for as long as one of `entries` is ready for its `events`
// (POLLIN, POLLOUT) or broken. Negative numbers are passed over. -1 with errno when there is none
// to be had.
int open_group(std::span<const pollfd> entries);

// How many bytes were written to a TCP socket that the peer has not acknowledged; 0 where nobody
// tells.
int unacknowledged(int fd);

// Flags that every send(2) and recvmsg(2) of ours carries.
extern const int send_flags;     // no SIGPIPE
extern const int receive_flags;  // descriptors that arrive are close-on-exec

}  // namespace coir
