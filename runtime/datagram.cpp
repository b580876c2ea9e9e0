#include "runtime/datagram.hpp"

#include <netinet/in.h>

#include <cstring>

#include "runtime/platform.hpp"

namespace coir {

namespace {

union Control {
    cmsghdr header;
    char bytes[128];
};

// The address that an answer can come from: not that of a group.
Address destination_of(msghdr& message) {
    Address to;
    for (cmsghdr* part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
#ifdef IP_PKTINFO
        if (part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_PKTINFO) {
            in_pktinfo info;
            std::memcpy(&info, CMSG_DATA(part), sizeof info);
            to = Address::any(AF_INET, 0);
            reinterpret_cast<sockaddr_in*>(to.room())->sin_addr = info.ipi_spec_dst;
        }
#endif
#ifdef IPV6_RECVPKTINFO
        if (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_PKTINFO) {
            in6_pktinfo info;
            std::memcpy(&info, CMSG_DATA(part), sizeof info);
            if (IN6_IS_ADDR_MULTICAST(&info.ipi6_addr)) continue;
            to = Address::any(AF_INET6, 0);
            auto& v6 = *reinterpret_cast<sockaddr_in6*>(to.room());
            v6.sin6_addr = info.ipi6_addr;
            if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr)) v6.sin6_scope_id = info.ipi6_ifindex;
        }
#endif
    }
    return to;
}

template <class Info>
void set_control(msghdr& message, Control& control, int level, int type, const Info& info) {
    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE(sizeof info);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = level;
    header->cmsg_type = type;
    header->cmsg_len = CMSG_LEN(sizeof info);
    std::memcpy(CMSG_DATA(header), &info, sizeof info);
}

void set_source(msghdr& message, Control& control, const Address& source) {
#ifdef IP_PKTINFO
    if (source.family() == AF_INET) {
        in_pktinfo info{};
        info.ipi_spec_dst = reinterpret_cast<const sockaddr_in*>(source.data())->sin_addr;
        set_control(message, control, IPPROTO_IP, IP_PKTINFO, info);
    }
#endif
#ifdef IPV6_RECVPKTINFO
    if (source.family() == AF_INET6) {
        const auto& v6 = *reinterpret_cast<const sockaddr_in6*>(source.data());
        in6_pktinfo info{};
        info.ipi6_addr = v6.sin6_addr;
        info.ipi6_ifindex = v6.sin6_scope_id;
        set_control(message, control, IPPROTO_IPV6, IPV6_PKTINFO, info);
    }
#endif
}

}  // namespace

Error tell_destinations(const Socket& socket) {
    int result = 0;
    int on = 1;
#ifdef IP_PKTINFO
    if (socket.family() == AF_INET) {
        result = ::setsockopt(socket.fd(), IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
    }
#endif
#ifdef IPV6_RECVPKTINFO
    if (socket.family() == AF_INET6) {
        result = ::setsockopt(socket.fd(), IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
    }
#endif
    return result == 0 ? Error() : last_errno();
}

Result<std::string_view> receive_datagram(Socket& socket, std::span<char> room, Arrival& arrival) {
    auto receive = [&](int fd) {
        iovec part{room.data(), room.size()};
        Control control{};
        msghdr message{};
        message.msg_name = arrival.from.room();
        message.msg_namelen = *arrival.from.room_size();
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        ssize_t n = ::recvmsg(fd, &message, receive_flags);
        if (n < 0) return n;
        arrival.from.resize(message.msg_namelen);
        arrival.to = destination_of(message);
        return n;
    };
    Result<std::size_t> n = socket.descriptor().retry(Direction::read, never, receive);
    if (!n) return n.error();
    return std::string_view(room.data(), *n);
}

Result<std::size_t> answer_datagram(Socket& socket, std::string_view data, int flags,
                                    const Arrival& arrival, Deadline deadline) {
    return socket.descriptor().retry(Direction::write, deadline, [&](int fd) {
        iovec part{const_cast<char*>(data.data()), data.size()};
        Control control{};
        msghdr message{};
        message.msg_name = const_cast<sockaddr*>(arrival.from.data());
        message.msg_namelen = arrival.from.size();
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        set_source(message, control, arrival.to);
        return ::sendmsg(fd, &message, flags | send_flags);
    });
}

}  // namespace coir
