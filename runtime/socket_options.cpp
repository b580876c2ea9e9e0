#include "runtime/socket_options.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sys/socket.h>

namespace coir {

namespace {

using Type = SocketOption::Type;
using Access = SocketOption::Access;

// The options of one level, each with its own name: ENTRY(SOL_SOCKET, SO_DEBUG, integer, both).
#define ENTRY(level, name, type, access) \
    SocketOption { #name, level, name, Type::type, Access::access }

// clang-format off
constexpr SocketOption table[] = {
    ENTRY(SOL_SOCKET, SO_ACCEPTCONN, integer, read),
    ENTRY(SOL_SOCKET, SO_BROADCAST, integer, both),
    ENTRY(SOL_SOCKET, SO_DEBUG, integer, both),
    ENTRY(SOL_SOCKET, SO_DONTROUTE, integer, both),
    ENTRY(SOL_SOCKET, SO_ERROR, integer, read),
    ENTRY(SOL_SOCKET, SO_KEEPALIVE, integer, both),
    ENTRY(SOL_SOCKET, SO_LINGER, linger, both),
    ENTRY(SOL_SOCKET, SO_OOBINLINE, integer, both),
    ENTRY(SOL_SOCKET, SO_RCVBUF, integer, both),
    ENTRY(SOL_SOCKET, SO_RCVLOWAT, integer, both),
    ENTRY(SOL_SOCKET, SO_RCVTIMEO, seconds, both),
    ENTRY(SOL_SOCKET, SO_REUSEADDR, integer, both),
    ENTRY(SOL_SOCKET, SO_SNDBUF, integer, both),
    ENTRY(SOL_SOCKET, SO_SNDLOWAT, integer, both),
    ENTRY(SOL_SOCKET, SO_SNDTIMEO, seconds, both),
    ENTRY(SOL_SOCKET, SO_TIMESTAMP, integer, both),
    ENTRY(SOL_SOCKET, SO_TYPE, integer, read),
#ifdef SO_REUSEPORT
    ENTRY(SOL_SOCKET, SO_REUSEPORT, integer, both),
#endif
#ifdef SO_NREAD
    ENTRY(SOL_SOCKET, SO_NREAD, integer, read),
#endif
#ifdef SO_DOMAIN
    ENTRY(SOL_SOCKET, SO_DOMAIN, integer, read),
#endif
#ifdef SO_PROTOCOL
    ENTRY(SOL_SOCKET, SO_PROTOCOL, integer, read),
#endif
#ifdef __linux__
    {"SO_BSDCOMPAT", SOL_SOCKET, SO_BSDCOMPAT, Type::ignored, Access::both},
    ENTRY(SOL_SOCKET, SO_BINDTODEVICE, text, both),
    ENTRY(SOL_SOCKET, SO_BUSY_POLL, integer, both),
    ENTRY(SOL_SOCKET, SO_INCOMING_CPU, integer, both),
    ENTRY(SOL_SOCKET, SO_MARK, integer, both),
    ENTRY(SOL_SOCKET, SO_PASSCRED, integer, both),
    ENTRY(SOL_SOCKET, SO_PEERCRED, credentials, read),
    ENTRY(SOL_SOCKET, SO_PRIORITY, integer, both),
    ENTRY(SOL_SOCKET, SO_RCVBUFFORCE, integer, write),
    ENTRY(SOL_SOCKET, SO_SNDBUFFORCE, integer, write),
    ENTRY(SOL_SOCKET, SO_ZEROCOPY, integer, both),
#endif

    ENTRY(IPPROTO_TCP, TCP_KEEPCNT, integer, both),
    ENTRY(IPPROTO_TCP, TCP_KEEPINTVL, integer, both),
    ENTRY(IPPROTO_TCP, TCP_MAXSEG, integer, both),
    ENTRY(IPPROTO_TCP, TCP_NODELAY, integer, both),
#ifdef TCP_KEEPIDLE
    ENTRY(IPPROTO_TCP, TCP_KEEPIDLE, integer, both),
#endif
#ifdef TCP_FASTOPEN
    ENTRY(IPPROTO_TCP, TCP_FASTOPEN, integer, both),
#endif
#ifdef TCP_NOTSENT_LOWAT
    ENTRY(IPPROTO_TCP, TCP_NOTSENT_LOWAT, integer, both),
#endif
#ifdef __linux__
    ENTRY(IPPROTO_TCP, TCP_CC_INFO, integer, read),
    ENTRY(IPPROTO_TCP, TCP_CONGESTION, text, both),
    ENTRY(IPPROTO_TCP, TCP_COOKIE_TRANSACTIONS, integer, both),
    ENTRY(IPPROTO_TCP, TCP_CORK, integer, both),
    ENTRY(IPPROTO_TCP, TCP_DEFER_ACCEPT, integer, both),
    ENTRY(IPPROTO_TCP, TCP_FASTOPEN_CONNECT, integer, both),
    ENTRY(IPPROTO_TCP, TCP_INFO, tcp_info, read),
    ENTRY(IPPROTO_TCP, TCP_LINGER2, integer, both),
    ENTRY(IPPROTO_TCP, TCP_MD5SIG, integer, write),
    ENTRY(IPPROTO_TCP, TCP_QUEUE_SEQ, integer, both),
    ENTRY(IPPROTO_TCP, TCP_QUICKACK, integer, both),
    ENTRY(IPPROTO_TCP, TCP_REPAIR, integer, both),
    ENTRY(IPPROTO_TCP, TCP_REPAIR_OPTIONS, integer, write),
    ENTRY(IPPROTO_TCP, TCP_REPAIR_QUEUE, integer, both),
    ENTRY(IPPROTO_TCP, TCP_SAVED_SYN, integer, read),
    ENTRY(IPPROTO_TCP, TCP_SAVE_SYN, integer, both),
    ENTRY(IPPROTO_TCP, TCP_SYNCNT, integer, both),
    ENTRY(IPPROTO_TCP, TCP_THIN_DUPACK, integer, both),
    ENTRY(IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, integer, both),
    ENTRY(IPPROTO_TCP, TCP_TIMESTAMP, integer, both),
    ENTRY(IPPROTO_TCP, TCP_USER_TIMEOUT, integer, both),
    ENTRY(IPPROTO_TCP, TCP_WINDOW_CLAMP, integer, both),
#endif

    ENTRY(IPPROTO_IP, IP_ADD_MEMBERSHIP, membership4, write),
    ENTRY(IPPROTO_IP, IP_DROP_MEMBERSHIP, membership4, write),
    ENTRY(IPPROTO_IP, IP_MULTICAST_IF, interface4, both),
    ENTRY(IPPROTO_IP, IP_MULTICAST_LOOP, integer, both),
    ENTRY(IPPROTO_IP, IP_MULTICAST_TTL, integer, both),
    ENTRY(IPPROTO_IP, IP_TOS, integer, both),
    ENTRY(IPPROTO_IP, IP_TTL, integer, both),
#ifdef __linux__
    ENTRY(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, integer, both),
    ENTRY(IPPROTO_IP, IP_FREEBIND, integer, both),
    ENTRY(IPPROTO_IP, IP_MTU, integer, read),
    ENTRY(IPPROTO_IP, IP_MTU_DISCOVER, integer, both),
    ENTRY(IPPROTO_IP, IP_MULTICAST_ALL, integer, both),
    ENTRY(IPPROTO_IP, IP_PKTINFO, integer, both),
    ENTRY(IPPROTO_IP, IP_RECVERR, integer, both),
    ENTRY(IPPROTO_IP, IP_TRANSPARENT, integer, both),
#endif

    ENTRY(IPPROTO_IPV6, IPV6_JOIN_GROUP, membership6, write),
    ENTRY(IPPROTO_IPV6, IPV6_LEAVE_GROUP, membership6, write),
    ENTRY(IPPROTO_IPV6, IPV6_MULTICAST_HOPS, integer, both),
    ENTRY(IPPROTO_IPV6, IPV6_MULTICAST_IF, integer, both),
    ENTRY(IPPROTO_IPV6, IPV6_MULTICAST_LOOP, integer, both),
    ENTRY(IPPROTO_IPV6, IPV6_TCLASS, integer, both),
    ENTRY(IPPROTO_IPV6, IPV6_UNICAST_HOPS, integer, both),
    ENTRY(IPPROTO_IPV6, IPV6_V6ONLY, integer, both),
#ifdef __linux__
    ENTRY(IPPROTO_IPV6, IPV6_MTU, integer, both),
    ENTRY(IPPROTO_IPV6, IPV6_MTU_DISCOVER, integer, both),
    ENTRY(IPPROTO_IPV6, IPV6_MULTICAST_ALL, integer, both),
    ENTRY(IPPROTO_IPV6, IPV6_RECVERR, integer, both),
    ENTRY(IPPROTO_IPV6, IPV6_RECVPKTINFO, integer, both),

    ENTRY(IPPROTO_UDP, UDP_CORK, integer, both),
    ENTRY(IPPROTO_UDP, UDP_GRO, integer, both),
    ENTRY(IPPROTO_UDP, UDP_SEGMENT, integer, both),
#endif
};
// clang-format on

#undef ENTRY

}  // namespace

std::span<const SocketOption> socket_options() { return table; }

const SocketOption* find_socket_option(int level, std::string_view name) {
    for (const SocketOption& option : table) {
        if (option.level == level && option.name == name) return &option;
    }
    return nullptr;
}

const SocketOption* find_socket_option(int level, int number) {
    for (const SocketOption& option : table) {
        if (option.level == level && option.number == number) return &option;
    }
    return nullptr;
}

}  // namespace coir
