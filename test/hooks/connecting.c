// connecting.c: connect and accept; what is no socket; names.
#include "scenario.h"

// -- Connecting -----------------------------------------------------------------------------------

static int is_blocking(int fd) { return (fcntl(fd, F_GETFL) & O_NONBLOCK) == 0; }

void connects(void) {
    struct sockaddr_in address;
    struct sockaddr* to = (struct sockaddr*)&address;
    int server = listener(&address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    result("connect", connect(fd, to, sizeof address));
    say("blocking %d\n", is_blocking(fd));
    result("connect again", connect(fd, to, sizeof address));
    int accepted = accept4(server, NULL, NULL, SOCK_CLOEXEC);
    say("accept4 %d\n", accepted >= 0 && is_blocking(accepted));
    close(accepted);
    close(fd);
    close(server);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    result("connect refused", connect(fd, to, sizeof address));
    say("blocking %d\n", is_blocking(fd));
    int problem = -1;
    socklen_t size = sizeof problem;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &size);
    say("error %d\n", problem);
    result("connect too short", connect(fd, to, 2));
    close(fd);
    result("connect closed", connect(fd, to, sizeof address));
}

void connect_waits_for_room(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct sockaddr* to = (struct sockaddr*)&address;
    snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "coir-hooks-room-%ld",
             (long)getpid());
    int server = socket(AF_UNIX, SOCK_STREAM, 0), clients[3];
    if (bind(server, to, sizeof address) < 0 || listen(server, 0) < 0) abort();
    for (int i = 0; i < 3; ++i) clients[i] = socket(AF_UNIX, SOCK_STREAM, 0);
    result("connect", connect(clients[0], to, sizeof address));
    set_timeout(clients[1], SO_SNDTIMEO);
    long began = now_ms();
    result("connect without room", connect(clients[1], to, sizeof address));
    say("in time %d, blocking %d\n", now_ms() - began >= pause_ms - 1, is_blocking(clients[1]));
    set_blocking(clients[1], 0);
    result("connect without waiting", connect(clients[1], to, sizeof address));
    close(server);
    for (int i = 0; i < 3; ++i) close(clients[i]);
}

void accepts(void) {
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    int server = listener(&server_address);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    later(connect_to_server, client);
    int fd = accept(server, (struct sockaddr*)&from, &size);
    say("accept %d, size %d, blocking %d %d\n", fd >= 0, (int)size, is_blocking(fd),
        is_blocking(server));
    end_helper();
    close(fd);
    close(client);
    client = socket(AF_INET, SOCK_STREAM, 0);
    later(connect_to_server, client);
    fd = accept4(server, NULL, NULL, SOCK_NONBLOCK);
    say("accept4 %d, blocking %d\n", fd >= 0, is_blocking(fd));
    end_helper();
    close(fd);
    close(client);
    set_timeout(server, SO_RCVTIMEO);
    result("accept times out", accept(server, NULL, NULL));
    set_blocking(server, 0);
    result("accept at once", accept(server, NULL, NULL));
    say("blocking %d\n", is_blocking(server));
    result("accept on no listener", accept(STDIN_FILENO, NULL, NULL));
    close(server);
}

// -- What is no socket ----------------------------------------------------------------------------

void others(void) {
    int fds[2];
    char data[16] = "";
    if (pipe(fds) < 0) abort();
    put(fds[1], "hello");
    errno = E2BIG;
    result("read", read(fds[0], data, sizeof data));
    struct iovec part = {data, 5};
    result("writev", writev(fds[1], &part, 1));
    result("readv", readv(fds[0], &part, 1));
    say("errno %s\n", strerrorname_np(errno));
    volatile int wrong[] = {-1, 5000};  // not for the compiler to know
    result("readv wrong", readv(fds[0], &part, wrong[0]));
    result("writev wrong", writev(fds[1], &part, wrong[1]));
    result("recv", recv(fds[0], data, 1, 0));
    result("send", send(fds[1], data, 1, 0));
    result("connect", connect(fds[0], NULL, 0));
    result("accept", accept(fds[0], NULL, NULL));
    close_pair(fds);
    result("read closed", read(fds[0], data, 1));
    result("write closed", write(fds[0], data, 1));
    result("recv closed", recv(fds[0], data, 1, 0));
    result("send closed", send(fds[0], data, 1, 0));
    result("accept closed", accept(fds[0], NULL, NULL));
    int lonely = socket(AF_INET, SOCK_STREAM, 0);
    result("recv unconnected", recv(lonely, data, 1, 0));
    result("send unconnected", send(lonely, data, 1, MSG_NOSIGNAL));
    result("accept unconnected", accept(lonely, NULL, NULL));
    close(lonely);
}

// -- Names ----------------------------------------------------------------------------------------

// Adds the rows to the text at `at`, one "address/type/protocol canonical name" a row.
void show_rows(char* at, size_t room, const struct addrinfo* row) {
    for (; row != NULL; row = row->ai_next) {
        char host[64] = "?", port[16] = "?";
        getnameinfo(row->ai_addr, row->ai_addrlen, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV);
        int n = snprintf(at, room, "%s %s %d %d %d %s\n", host, port, row->ai_socktype,
                         row->ai_protocol, row->ai_flags,
                         row->ai_canonname == NULL ? "" : row->ai_canonname);
        at += n;
        room -= (size_t)n;
    }
}

static void look_up_and_say(const char* host, const char* service, const struct addrinfo* hints) {
    char text[1024] = "";
    struct addrinfo* list = NULL;
    int code = getaddrinfo(host, service, hints, &list);
    if (code == 0) show_rows(text, sizeof text, list);
    if (list != NULL) freeaddrinfo(list);
    say("getaddrinfo %s %s: %d\n%s", host == NULL ? "-" : host, service == NULL ? "-" : service,
        code, text);
}

void names_without_servers(void) {
    struct addrinfo stream = {.ai_socktype = SOCK_STREAM}, v4 = {.ai_family = AF_INET};
    struct addrinfo named = {
        .ai_flags = AI_CANONNAME, .ai_family = AF_INET, .ai_socktype = SOCK_DGRAM};
    struct addrinfo numeric = {.ai_flags = AI_NUMERICHOST}, passive = {.ai_flags = AI_PASSIVE};
    struct addrinfo wrong_flags = {.ai_flags = 1 << 30}, wrong_family = {.ai_family = AF_UNIX};
    struct addrinfo wrong_type = {.ai_socktype = SOCK_RAW, .ai_protocol = IPPROTO_TCP};
    look_up_and_say("127.0.0.1", "80", NULL);
    look_up_and_say("::1", "http", &stream);
    look_up_and_say("::1", "80", &v4);
    look_up_and_say("localhost", "80", &stream);
    look_up_and_say("localhost", NULL, &v4);
    look_up_and_say("localhost", "domain", &named);
    look_up_and_say("localhost", "no-such-service", NULL);
    look_up_and_say("localhost", "80", &numeric);
    look_up_and_say("localhost", "80", &wrong_flags);
    look_up_and_say("localhost", "80", &wrong_family);
    look_up_and_say("localhost", "http", &wrong_type);
    look_up_and_say(NULL, "80", &passive);
    look_up_and_say(NULL, NULL, NULL);
    struct hostent* entry = gethostbyname("127.0.0.2");
    say("gethostbyname %s\n",
        entry == NULL ? "-" : inet_ntoa(*(struct in_addr*)entry->h_addr_list[0]));
    entry = gethostbyname("localhost");
    if (entry == NULL) return;
    say("gethostbyname %s %s", entry->h_name, inet_ntoa(*(struct in_addr*)entry->h_addr_list[0]));
    say(" %d %d %d\n", entry->h_addrtype, entry->h_length, entry->h_aliases[0] == NULL);
}
