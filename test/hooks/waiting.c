// waiting.c: poll, select and their like, and the sleeps.
#include "scenario.h"

// -- poll and select ------------------------------------------------------------------------------

void poll_times_out(void) {
    int fds[2];
    make_pair(SOCK_STREAM, fds);
    struct pollfd entry = {fds[0], POLLIN, -1};
    long began = now_ms();
    result("poll", poll(&entry, 1, pause_ms));
    say("revents %d, in time %d\n", entry.revents, now_ms() - began >= pause_ms);
    result("poll at once", poll(&entry, 1, 0));
    result("poll nothing", poll(NULL, 0, pause_ms));
    close_pair(fds);
}

void poll_sees_input(void) {
    int fds[2];
    make_pair(SOCK_STREAM, fds);
    later(write_hello, fds[1]);
    struct pollfd entry = {fds[0], POLLIN | POLLPRI, 0};
    volatile nfds_t one = 1;
    result("poll", poll(&entry, one, -1));
    say("revents %d\n", entry.revents);
    entry.events = POLLIN | POLLOUT | POLLRDHUP;
    result("poll again", poll(&entry, 1, -1));
    say("revents %d\n", entry.revents);
    end_helper();
    close_pair(fds);
}

void poll_sees_the_end(void) {
    int fds[2];
    make_pair(SOCK_STREAM, fds);
    later(close_it, fds[1]);
    struct pollfd entry = {fds[0], POLLIN | POLLRDHUP, 0};
    result("poll", poll(&entry, 1, -1));
    say("revents %d\n", entry.revents);
    entry.events = 0;
    result("poll for nothing", poll(&entry, 1, -1));
    say("revents %d\n", entry.revents);
    end_helper();
    close(fds[0]);
    entry.events = POLLIN;
    result("poll closed", poll(&entry, 1, -1));
    say("revents %d\n", entry.revents);
}

void poll_many(void) {
    int one[2], other[2], pipe_fds[2];
    make_pair(SOCK_STREAM, one);
    make_pair(SOCK_DGRAM, other);
    if (pipe(pipe_fds) < 0) abort();
    later(write_hello, other[1]);
    struct pollfd entries[] = {{one[0], POLLIN, 0},      {other[0], POLLIN, 0},
                               {-1, POLLIN, 7},          {one[0], POLLPRI, 0},
                               {pipe_fds[0], POLLIN, 0}, {other[0], POLLPRI, 0}};
    result("poll", poll(entries, 6, -1));
    for (int i = 0; i < 6; ++i) say("revents %d\n", entries[i].revents);
    end_helper();
    later(write_hello, one[1]);
    struct pollfd twice[] = {{one[0], POLLPRI, 0}, {one[0], POLLIN, 0}};
    result("poll twice the same", poll(twice, 2, -1));
    say("revents %d %d\n", twice[0].revents, twice[1].revents);
    end_helper();
    later(write_hello, pipe_fds[1]);
    struct pollfd with_pipe[] = {{pipe_fds[0], POLLIN, 0}};
    result("poll a pipe", poll(with_pipe, 1, 5000));
    end_helper();
    int file = open("/proc/self/exe", O_RDONLY);
    struct pollfd with_file[] = {{file, 0, 0}, {one[1], POLLIN, 0}};
    result("poll a file for nothing", poll(with_file, 2, pause_ms));
    with_file[0].events = POLLIN;
    result("poll a file", poll(with_file, 2, -1));
    close(file);
    close_pair(one);
    close_pair(other);
    close_pair(pipe_fds);
}

void poll_urgent(void) {
    int fds[2];
    make_tcp_pair(fds);
    later(send_urgent, fds[1]);
    struct pollfd entry = {fds[0], POLLPRI, 0};
    result("poll", poll(&entry, 1, -1));
    say("revents %d\n", entry.revents);
    char byte;
    result("recv urgent", recv(fds[0], &byte, 1, MSG_OOB));
    result("recv urgent again", recv(fds[0], &byte, 1, MSG_OOB));
    end_helper();
    close_pair(fds);
}

void ppoll_with_a_mask(void) {
    int fds[2];
    make_pair(SOCK_STREAM, fds);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &action, NULL);
    sigset_t mask, before;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &mask, &before);
    main_thread = pthread_self();
    struct pollfd entry = {fds[0], POLLIN, 0};
    struct timespec short_time = {0, pause_ms * 1000000}, wrong = {0, -1};
    result("ppoll times out", ppoll(&entry, 1, &short_time, NULL));
    later(signal_main, 0);
    volatile nfds_t one = 1;
    result("ppoll", ppoll(&entry, one, NULL, &before));
    end_helper();
    later(signal_main, 0);
    fd_set set;
    FD_ZERO(&set);
    FD_SET(fds[0], &set);
    result("pselect", pselect(fds[0] + 1, &set, NULL, NULL, NULL, &before));
    say("set %d\n", FD_ISSET(fds[0], &set) != 0);
    end_helper();
    later(write_hello, fds[1]);
    result("ppoll sees input", ppoll(&entry, 1, NULL, &before));
    end_helper();
    result("ppoll wrong", ppoll(&entry, 1, &wrong, NULL));
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close_pair(fds);
}

void select_waits(void) {
    int fds[2];
    make_pair(SOCK_STREAM, fds);
    fd_set read_set, write_set;
    struct timeval time = {0, pause_ms * 1000};
    FD_ZERO(&read_set);
    FD_SET(fds[0], &read_set);
    result("select times out", select(fds[0] + 1, &read_set, NULL, NULL, &time));
    say("set %d, left %ld.%06ld\n", FD_ISSET(fds[0], &read_set) != 0, time.tv_sec, time.tv_usec);
    FD_SET(fds[0], &read_set);
    FD_ZERO(&write_set);
    later(write_hello, fds[1]);
    time.tv_sec = 1000;
    result("select", select(FD_SETSIZE, &read_set, &write_set, NULL, &time));
    say("set %d, left %d\n", FD_ISSET(fds[0], &read_set) != 0,
        time.tv_sec >= 990 && time.tv_sec < 1000);
    end_helper();
    FD_SET(fds[0], &write_set);
    fd_set except_set = read_set;
    result("select both", select(FD_SETSIZE, &read_set, &write_set, &except_set, NULL));
    say("sets %d %d\n", FD_ISSET(fds[0], &read_set) != 0, FD_ISSET(fds[0], &write_set) != 0);
    time = (struct timeval){0, pause_ms * 1000};
    result("select nothing", select(0, NULL, NULL, NULL, &time));
    time = (struct timeval){0, -1};
    result("select wrong time", select(0, NULL, NULL, NULL, &time));
    result("select wrong count", select(-1, NULL, NULL, NULL, NULL));
    close_pair(fds);
    FD_ZERO(&read_set);
    FD_SET(fds[0], &read_set);
    result("select closed", select(fds[0] + 1, &read_set, NULL, NULL, NULL));
    say("set %d\n", FD_ISSET(fds[0], &read_set) != 0);
}

// -- Sleeping -------------------------------------------------------------------------------------

void sleeps(void) {
    struct timespec time = {0, pause_ms * 1000000}, wrong = {0, 1000000000}, rest = {7, 7};
    long began = now_ms();
    result("nanosleep", nanosleep(&time, &rest));
    say("in time %d, rest %ld\n", now_ms() - began >= pause_ms, (long)rest.tv_sec);
    result("nanosleep wrong", nanosleep(&wrong, NULL));
    say("clock_nanosleep %d\n", clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL));
    const clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME,
                                CLOCK_PROCESS_CPUTIME_ID};
    for (int i = 0; i < 4; ++i) {
        struct timespec target, after;
        clock_gettime(clocks[i], &target);
        if (i < 3) target.tv_nsec += pause_ms * 1000000;
        target.tv_sec += target.tv_nsec / 1000000000;
        target.tv_nsec %= 1000000000;
        say("until %d", clock_nanosleep(clocks[i], TIMER_ABSTIME, &target, NULL));
        clock_gettime(clocks[i], &after);
        say(" %d\n", after.tv_sec > target.tv_sec ||
                         (after.tv_sec == target.tv_sec && after.tv_nsec >= target.tv_nsec));
    }
    say("clock_nanosleep wrong %d\n", clock_nanosleep(CLOCK_MONOTONIC, 0, &wrong, NULL));
    say("clock_nanosleep no clock %d\n", clock_nanosleep(12345, 0, &time, NULL));
    began = now_ms();
    result("usleep", usleep(pause_ms * 1000));
    say("in time %d\n", now_ms() - began >= pause_ms);
    result("sleep", sleep(0));
    result("sleep a second", sleep(1));
    say("in time %d\n", now_ms() - began >= 1000);
}
