// library.hpp: the C library's own functions, under the names that the program takes from it.
//
// The program defines `poll`, `read` and so on, so that loaded libraries call those; what the C
// library has under these names is looked up once, when it is first needed. The code that is linked
// into the program, the runtime's included, is linked with --wrap for each name and calls the C
// library's function through this table: hooks do not exist for it.
#pragma once

#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

// F(name, result, parameters, arguments)
#define COIR_HOOKED(F)                                                                          \
    F(poll, int, (pollfd * a, nfds_t b, int c), (a, b, c))                                      \
    F(ppoll, int, (pollfd * a, nfds_t b, const timespec* c, const sigset_t* d), (a, b, c, d))   \
    F(select, int, (int a, fd_set* b, fd_set* c, fd_set* d, timeval* e), (a, b, c, d, e))       \
    F(pselect, int,                                                                             \
      (int a, fd_set* b, fd_set* c, fd_set* d, const timespec* e, const sigset_t* f),           \
      (a, b, c, d, e, f))                                                                       \
    F(nanosleep, int, (const timespec* a, timespec* b), (a, b))                                 \
    F(clock_nanosleep, int, (clockid_t a, int b, const timespec* c, timespec* d), (a, b, c, d)) \
    F(usleep, int, (useconds_t a), (a))                                                         \
    F(sleep, unsigned, (unsigned a), (a))                                                       \
    F(read, ssize_t, (int a, void* b, size_t c), (a, b, c))                                     \
    F(readv, ssize_t, (int a, const iovec* b, int c), (a, b, c))                                \
    F(recv, ssize_t, (int a, void* b, size_t c, int d), (a, b, c, d))                           \
    F(recvfrom, ssize_t, (int a, void* b, size_t c, int d, sockaddr* e, socklen_t* f),          \
      (a, b, c, d, e, f))                                                                       \
    F(recvmsg, ssize_t, (int a, msghdr* b, int c), (a, b, c))                                   \
    F(write, ssize_t, (int a, const void* b, size_t c), (a, b, c))                              \
    F(writev, ssize_t, (int a, const iovec* b, int c), (a, b, c))                               \
    F(send, ssize_t, (int a, const void* b, size_t c, int d), (a, b, c, d))                     \
    F(sendto, ssize_t, (int a, const void* b, size_t c, int d, const sockaddr* e, socklen_t f), \
      (a, b, c, d, e, f))                                                                       \
    F(sendmsg, ssize_t, (int a, const msghdr* b, int c), (a, b, c))                             \
    F(connect, int, (int a, const sockaddr* b, socklen_t c), (a, b, c))                         \
    F(accept, int, (int a, sockaddr* b, socklen_t* c), (a, b, c))                               \
    F(accept4, int, (int a, sockaddr* b, socklen_t* c, int d), (a, b, c, d))                    \
    F(getaddrinfo, int, (const char* a, const char* b, const addrinfo* c, addrinfo** d),        \
      (a, b, c, d))                                                                             \
    F(freeaddrinfo, void, (addrinfo * a), (a))                                                  \
    F(gethostbyname, hostent*, (const char* a), (a))

// What a library that was compiled with _FORTIFY_SOURCE calls instead: the same with the room that
// the buffer has.
#define COIR_FORTIFIED(F)                                                                       \
    F(__poll_chk, int, (pollfd * a, nfds_t b, int c, size_t d), (a, b, c, d))                   \
    F(__ppoll_chk, int, (pollfd * a, nfds_t b, const timespec* c, const sigset_t* d, size_t e), \
      (a, b, c, d, e))                                                                          \
    F(__read_chk, ssize_t, (int a, void* b, size_t c, size_t d), (a, b, c, d))                  \
    F(__recv_chk, ssize_t, (int a, void* b, size_t c, size_t d, int e), (a, b, c, d, e))        \
    F(__recvfrom_chk, ssize_t,                                                                  \
      (int a, void* b, size_t c, size_t d, int e, sockaddr* f, socklen_t* g),                   \
      (a, b, c, d, e, f, g))

namespace coir::hooks {

struct Library {
#define COIR_MEMBER(name, result, parameters, arguments) result(*name) parameters;
    COIR_HOOKED(COIR_MEMBER)
    COIR_FORTIFIED(COIR_MEMBER)
#undef COIR_MEMBER
};

extern Library functions;

// From any thread, and before main() too: until a constructor has looked them all up, each looks
// them up when it is called.
inline const Library& library() { return functions; }

}  // namespace coir::hooks
