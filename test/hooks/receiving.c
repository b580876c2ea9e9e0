// receiving.c: read, recv and their like.
#include "scenario.h"

// -- Receiving ------------------------------------------------------------------------------------

enum receiver { by_read, by_readv, by_recv, by_recvfrom, by_recvmsg, receivers };
static const char* const receiver_names[] = {"read", "readv", "recv", "recvfrom", "recvmsg"};

// The room is known here and the size is not, which is when the fortified functions are called.
static ssize_t receive_fortified(enum receiver how, int fd, char* out, size_t size, int flags) {
    char data[64];
    volatile size_t unknown = size;
    ssize_t n = how == by_read   ? read(fd, data, unknown)
                : how == by_recv ? recv(fd, data, unknown, flags)
                                 : recvfrom(fd, data, unknown, flags, NULL, NULL);
    if (n > 0) memcpy(out, data, (size_t)n < size ? (size_t)n : size);
    return n;
}

static ssize_t receive(enum receiver how, int fd, char* data, size_t size, int flags) {
    if (size % 2 == 0 && (how == by_read || how == by_recv || how == by_recvfrom)) {
        return receive_fortified(how, fd, data, size, flags);
    }
    struct iovec parts[] = {{data, size / 2}, {data + size / 2, size - size / 2}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    switch (how) {
        case by_read:
            return read(fd, data, size);
        case by_readv:
            return readv(fd, parts, 2);
        case by_recv:
            return recv(fd, data, size, flags);
        case by_recvfrom:
            return recvfrom(fd, data, size, flags, NULL, NULL);
        default:
            return recvmsg(fd, &message, flags);
    }
}

static void receive_and_say(enum receiver how, int fd, size_t size, int flags) {
    char data[64] = "";
    ssize_t n = receive(how, fd, data, size, flags);
    result(receiver_names[how], n);
    say("'%.*s'\n", n < 0 ? 0 : (int)((size_t)n < size ? (size_t)n : size), data);
}

static void receive_on(void (*make)(int[2])) {
    for (int how = 0; how < receivers; ++how) {
        int fds[2];
        make(fds);
        later(write_hello, fds[1]);
        errno = E2BIG;
        receive_and_say(how, fds[0], 16, 0);
        say("errno %s\n", strerrorname_np(errno));
        end_helper();
        later(write_and_close, fds[1]);
        receive_and_say(how, fds[0], 3, 0);
        end_helper();
        receive_and_say(how, fds[0], 16, 0);
        receive_and_say(how, fds[0], 16, 0);
        close(fds[0]);
    }
}

static void make_seqpacket(int fds[2]) { make_pair(SOCK_SEQPACKET, fds); }

void receive_unix(void) { receive_on(make_stream); }
void receive_tcp(void) { receive_on(make_tcp_pair); }
void receive_records(void) { receive_on(make_seqpacket); }

void receive_with_flags(void) {
    for (int how = by_recv; how < receivers; ++how) {
        int fds[2];
        make_tcp_pair(fds);
        receive_and_say(how, fds[0], 8, MSG_DONTWAIT);
        later(write_hello, fds[1]);
        receive_and_say(how, fds[0], 8, MSG_PEEK);
        receive_and_say(how, fds[0], 8, 0);
        end_helper();
        later(write_two_parts, fds[1]);
        receive_and_say(how, fds[0], 9, MSG_WAITALL | MSG_PEEK);
        receive_and_say(how, fds[0], 10, MSG_WAITALL);
        end_helper();
        later(write_and_close, fds[1]);
        receive_and_say(how, fds[0], 9, MSG_WAITALL | MSG_PEEK);
        receive_and_say(how, fds[0], 10, MSG_WAITALL);
        receive_and_say(how, fds[0], 10, MSG_WAITALL);
        receive_and_say(how, fds[0], 10, MSG_TRUNC | MSG_ERRQUEUE);
        end_helper();
        close(fds[0]);
    }
}

void receive_with_timeout(void) {
    for (int how = 0; how < receivers; ++how) {
        int fds[2];
        make_pair(SOCK_STREAM, fds);
        set_timeout(fds[0], SO_RCVTIMEO);
        long began = now_ms();
        receive_and_say(how, fds[0], 16, 0);
        say("in time %d\n", now_ms() - began >= pause_ms - 1);
        put(fds[1], "hello");
        receive_and_say(how, fds[0], 16, MSG_WAITALL);
        set_blocking(fds[0], 0);
        receive_and_say(how, fds[0], 16, 0);
        put(fds[1], "hello");
        receive_and_say(how, fds[0], 16, MSG_WAITALL);
        close_pair(fds);
    }
}

void receive_datagrams(void) {
    struct sockaddr_in here, there, from = {0};
    int fd = udp_socket(&here), peer = udp_socket(&there);
    if (connect(peer, (struct sockaddr*)&here, sizeof here) < 0) abort();
    char data[16] = "";
    socklen_t size = sizeof from;
    later(write_hello, peer);
    result("recvfrom", recvfrom(fd, data, sizeof data, 0, (struct sockaddr*)&from, &size));
    say("size %d, same port %d\n", (int)size, from.sin_port == there.sin_port);
    end_helper();
    later(write_hello, peer);
    receive_and_say(by_recv, fd, 2, MSG_TRUNC);
    end_helper();
    later(write_hello, peer);
    struct iovec part = {data, 2};
    struct msghdr message = {
        .msg_name = &from, .msg_namelen = 4, .msg_iov = &part, .msg_iovlen = 1};
    result("recvmsg", recvmsg(fd, &message, MSG_WAITALL));
    say("flags %d, name %d\n", message.msg_flags, (int)message.msg_namelen);
    end_helper();
    put(peer, "");
    if (send(peer, "", 0, 0) < 0) abort();
    result("read nothing", read(fd, data, 0));
    receive_and_say(by_read, fd, 16, 0);
    put(peer, "hello");
    result("recvfrom without size",
           recvfrom(fd, data, sizeof data, 0, (struct sockaddr*)&from, NULL));
    result("recv into nowhere", recv(fd, (void*)8, 5, 0));
    close(fd);
    close(peer);
}

void receive_descriptor(void) {
    int fds[2];
    make_pair(SOCK_STREAM, fds);
    char data[16], control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec part = {"fd", 2};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    struct cmsghdr* header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(header), &fds[1], sizeof(int));
    result("sendmsg", sendmsg(fds[1], &message, 0));
    memset(control, 0, sizeof control);
    part = (struct iovec){data, sizeof data};
    result("recvmsg", recvmsg(fds[0], &message, 0));
    int arrived = -1;
    memcpy(&arrived, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
    say("arrived %d, flags %d\n", arrived > 2, message.msg_flags);
    close(arrived);
    close_pair(fds);
}
