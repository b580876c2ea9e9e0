// lua_socket_options_linux.cpp: the socket options that are structures of Linux.
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <iterator>

#include "bindings/lua_socket_options.hpp"

namespace coir {

namespace {

void set_integer(lua_State* L, const char* name, lua_Integer value) {
    lua_pushinteger(L, value);
    lua_setfield(L, -2, name);
}

const char* state_name(unsigned state) {
    static const char* const names[] = {"UNKNOWN",    "ESTABLISHED", "SYN_SENT",  "SYN_RECV",
                                        "FIN_WAIT1",  "FIN_WAIT2",   "TIME_WAIT", "CLOSE",
                                        "CLOSE_WAIT", "LAST_ACK",    "LISTEN",    "CLOSING"};
    return names[state < std::size(names) ? state : 0];
}

}  // namespace

int push_credentials(lua_State* L, LuaSocket& s, const SocketOption& option) {
    ucred peer{};
    socklen_t size;
    if (Error error = get_option(s, option, peer, size)) return fail(L, s, error);
    lua_createtable(L, 0, 3);
    set_integer(L, "pid", peer.pid);
    set_integer(L, "uid", peer.uid);
    set_integer(L, "gid", peer.gid);
    return 1;
}

// The fields of struct tcp_info under their own names; times are the kernel's microseconds or
// milliseconds, as tcp(7) has them.
int push_tcp_info(lua_State* L, LuaSocket& s, const SocketOption& option) {
    tcp_info info{};
    socklen_t size;
    if (Error error = get_option(s, option, info, size)) return fail(L, s, error);
    lua_createtable(L, 0, 28);
    lua_pushstring(L, state_name(info.tcpi_state));
    lua_setfield(L, -2, "state");
#define FIELD(name) set_integer(L, #name, info.tcpi_##name)
    FIELD(ca_state);
    FIELD(retransmits);
    FIELD(probes);
    FIELD(backoff);
    FIELD(options);
    FIELD(rto);
    FIELD(ato);
    FIELD(snd_mss);
    FIELD(rcv_mss);
    FIELD(unacked);
    FIELD(sacked);
    FIELD(lost);
    FIELD(retrans);
    FIELD(fackets);
    FIELD(last_data_sent);
    FIELD(last_data_recv);
    FIELD(last_ack_recv);
    FIELD(pmtu);
    FIELD(rcv_ssthresh);
    FIELD(rtt);
    FIELD(rttvar);
    FIELD(snd_ssthresh);
    FIELD(snd_cwnd);
    FIELD(advmss);
    FIELD(reordering);
    FIELD(rcv_rtt);
    FIELD(rcv_space);
    FIELD(total_retrans);
#undef FIELD
    return 1;
}

}  // namespace coir
