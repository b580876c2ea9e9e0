// sending.c: write, send and their like.
#include "scenario.h"

// -- Sending --------------------------------------------------------------------------------------

enum sender { by_write, by_writev, by_send, by_sendto, by_sendmsg, senders };
static const char* const sender_names[] = {"write", "writev", "send", "sendto", "sendmsg"};
static char bulk[big];

static ssize_t send_out(enum sender how, int fd, size_t size, int flags) {
    struct iovec parts[] = {
        {bulk, size / 3}, {bulk + size / 3, 0}, {bulk + size / 3, size - size / 3}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 3};
    switch (how) {
        case by_write:
            return write(fd, bulk, size);
        case by_writev:
            return writev(fd, parts, 3);
        case by_send:
            return send(fd, bulk, size, flags);
        case by_sendto:
            return sendto(fd, bulk, size, flags, NULL, 0);
        default:
            return sendmsg(fd, &message, flags);
    }
}

// Says whether all, a part, or nothing was sent: a part's size is the kernel's affair.
static void send_and_say(enum sender how, int fd, size_t size, int flags) {
    ssize_t n = send_out(how, fd, size, flags);
    if (n > 0 && (size_t)n < size) {
        say("%s a part\n", sender_names[how]);
    } else {
        result(sender_names[how], n);
    }
}

static void send_on(void (*make)(int[2])) {
    for (int how = 0; how < senders; ++how) {
        int fds[2];
        make(fds);
        later(read_all, fds[1]);
        errno = E2BIG;
        send_and_say(how, fds[0], big, 0);
        say("errno %s\n", strerrorname_np(errno));
        shutdown(fds[0], SHUT_WR);
        end_helper();
        send_and_say(how, fds[0], 1, 0);
        close(fds[0]);
    }
}

void send_unix(void) { send_on(make_stream); }
void send_tcp(void) { send_on(make_tcp_pair); }

void send_to_the_leaving(void) {
    for (int how = 0; how < senders; ++how) {
        int fds[2];
        make_stream(fds);
        later(read_some_and_close, fds[1]);
        send_and_say(how, fds[0], big, 0);
        end_helper();
        send_and_say(how, fds[0], 1, MSG_NOSIGNAL);
        close(fds[0]);
    }
}

void send_with_timeout(void) {
    for (int how = 0; how < senders; ++how) {
        int fds[2];
        make_stream(fds);
        set_timeout(fds[0], SO_SNDTIMEO);
        send_and_say(how, fds[0], big, 0);
        send_and_say(how, fds[0], 1000, 0);
        send_and_say(how, fds[0], 1000, MSG_DONTWAIT);
        set_blocking(fds[0], 0);
        send_and_say(how, fds[0], 1000, 0);
        close_pair(fds);
        make_stream(fds);
        set_blocking(fds[0], 0);
        send_and_say(how, fds[0], big, 0);
        close_pair(fds);
    }
}

void send_datagrams(void) {
    int fds[2];
    make_pair(SOCK_DGRAM, fds);
    int n = 0;
    while (send(fds[0], bulk, 1000, MSG_DONTWAIT) > 0) ++n;
    say("queued %d\n", n > 0);
    later(receive_what_is_there, fds[1]);
    send_and_say(by_send, fds[0], 1000, 0);
    end_helper();
    send_and_say(by_sendmsg, fds[0], big, 0);
    close_pair(fds);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "coir-hooks-%ld", (long)getpid());
    fds[0] = socket(AF_UNIX, SOCK_DGRAM, 0);
    fds[1] = socket(AF_UNIX, SOCK_DGRAM, 0);
    struct sockaddr* to = (struct sockaddr*)&address;
    if (bind(fds[1], to, sizeof address) < 0) abort();
    while (sendto(fds[0], bulk, 1000, MSG_DONTWAIT, to, sizeof address) > 0) {
    }
    later(receive_what_is_there, fds[1]);
    result("sendto", sendto(fds[0], bulk, 1000, 0, to, sizeof address));
    end_helper();
    result("sendto nowhere", sendto(fds[0], bulk, 1, 0, to, 4));
    close_pair(fds);
}
