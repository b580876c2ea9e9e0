#include "runtime/dns_channel.hpp"

#include <sys/time.h>

#include <algorithm>

namespace coir {

namespace {

constexpr int datagram_size = 1232;  // what passes through any network (DNS flag day 2020)

// "127.0.0.1:53,[::1]:53,[fe80::1]:53%eth0". Those with a scope are left out unless `scoped`.
std::string server_list(const std::vector<Address>& servers, bool scoped) {
    std::string list;
    for (const Address& server : servers) {
        std::string text(server.text().view());
        if (std::size_t percent = text.find('%'); percent != std::string::npos) {
            if (!scoped) continue;
            std::size_t bracket = text.find(']');
            std::string scope = text.substr(percent, bracket - percent);
            text.erase(percent, scope.size());
            text += scope;
        }
        if (!list.empty()) list += ',';
        list += text;
    }
    return list;
}

}  // namespace

Error DnsChannel::open(const ResolvConf& conf) {
    ares_options options{};
    char lookups[] = "b";  // only the DNS; the hosts file is ours
    char no_file[] = "/dev/null";
    options.flags = ARES_FLAG_EDNS | (conf.use_tcp ? ARES_FLAG_USEVC : 0);
    options.timeout = conf.timeout * 1000;
    options.tries = conf.attempts;
    options.lookups = lookups;
    options.resolvconf_path = no_file;
    options.ednspsz = datagram_size;
    options.sock_state_cb = socket_changed;
    options.sock_state_cb_data = this;
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
               ARES_OPT_RESOLVCONF | ARES_OPT_EDNSPSZ | ARES_OPT_SOCK_STATE_CB |
               (conf.rotate ? ARES_OPT_ROTATE : ARES_OPT_NOROTATE);
#ifdef ARES_OPT_QUERY_CACHE
    options.qcache_max_ttl = 0;  // the cache is ours
    mask |= ARES_OPT_QUERY_CACHE;
#endif
    if (::ares_init_options(&channel_, &options, mask) != ARES_SUCCESS) {
        return std::errc::not_enough_memory;
    }
    int status = ::ares_set_servers_ports_csv(channel_, server_list(conf.servers, true).c_str());
    if (status == ARES_EBADSTR) {  // an old version, which knows no scopes
        status = ::ares_set_servers_ports_csv(channel_, server_list(conf.servers, false).c_str());
    }
    return status == ARES_ENOMEM ? std::errc::not_enough_memory : Error();
}

DnsChannel::~DnsChannel() {
    if (channel_ != nullptr) ::ares_destroy(channel_);
}

void DnsChannel::ask(const char* name, DnsType type, ares_callback callback, void* argument) {
    constexpr int internet = 1;
    ::ares_query(channel_, name, internet, static_cast<int>(type), callback, argument);
    if (broken_) give_up();
    remember_timer();
}

// Ends all queries.
void DnsChannel::give_up() { ::ares_cancel(channel_); }

void DnsChannel::process(int read_fd, int write_fd) {
    ::ares_process_fd(channel_, read_fd, write_fd);
    if (broken_) give_up();
    remember_timer();
}

// -- Timers ---------------------------------------------------------------------------------------

Deadline DnsChannel::next_timer() const {
    timeval left;
    if (::ares_timeout(channel_, nullptr, &left) == nullptr) return never;
    // c-ares counts in milliseconds, rounded down.
    return Clock::now() + std::chrono::seconds(left.tv_sec) +
           std::chrono::microseconds(left.tv_usec) + std::chrono::milliseconds(1);
}

// A timer that is due before any fiber looks again needs one to look earlier.
void DnsChannel::remember_timer() {
    Deadline next = next_timer();
    for (const std::shared_ptr<Connection>& connection : connections_) {
        if (connection->until <= next || connection->fiber == scheduler_.running()) return;
    }
    if (!connections_.empty()) scheduler_.interrupt(*connections_.front()->fiber);
}

// -- Sockets --------------------------------------------------------------------------------------

void DnsChannel::socket_changed(void* self, ares_socket_t fd, int reads, int writes) {
    unsigned wanted =
        (reads != 0 ? Descriptor::readable : 0) | (writes != 0 ? Descriptor::writable : 0);
    static_cast<DnsChannel*>(self)->set_wanted(fd, wanted);
}

void DnsChannel::set_wanted(int fd, unsigned wanted) {
    auto place =
        std::find_if(connections_.begin(), connections_.end(),
                     [fd](const auto& connection) { return connection->descriptor.fd() == fd; });
    if (place == connections_.end()) {
        if (wanted != 0 && add_connection(fd, wanted)) broken_ = true;
        return;
    }
    if (wanted == 0) {
        (void)(*place)->descriptor.detach();  // c-ares closes it; our fiber sees that and ends
        connections_.erase(place);
        return;
    }
    bool changed = std::exchange((*place)->wanted, wanted) != wanted;
    Fiber* fiber = (*place)->fiber;
    if (changed && fiber != scheduler_.running()) scheduler_.interrupt(*fiber);
}

Error DnsChannel::add_connection(int fd, unsigned wanted) {
    try {
        auto connection = std::make_shared<Connection>(scheduler_);
        connections_.reserve(connections_.size() + 1);
        auto fiber = scheduler_.spawn(
            [self = shared_from_this(), connection] { self->serve(*connection); }, "dns");
        if (!fiber) return fiber.error();
        connection->descriptor.open(fd, true);
        connection->wanted = wanted;
        connection->fiber = fiber->get();
        connections_.push_back(std::move(connection));
    } catch (const std::bad_alloc&) {
        return std::errc::not_enough_memory;
    }
    return {};
}

// The body of a socket's fiber.
void DnsChannel::serve(Connection& connection) {
    Descriptor& descriptor = connection.descriptor;
    while (descriptor.is_open()) {
        connection.until = next_timer();
        Result<unsigned> ready = descriptor.wait(connection.wanted, connection.until);
        if (!descriptor.is_open()) break;
        if (ready) {
            int fd = descriptor.fd();
            process(*ready & Descriptor::readable ? fd : ARES_SOCKET_BAD,
                    *ready & Descriptor::writable ? fd : ARES_SOCKET_BAD);
        } else if (ready.error() == std::errc::timed_out) {
            process(ARES_SOCKET_BAD, ARES_SOCKET_BAD);
        } else if (ready.error() != std::errc::interrupted) {  // cancelled, or out of memory
            broken_ = true;
            give_up();
            break;
        }
    }
}

}  // namespace coir
