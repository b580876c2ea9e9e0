// resolver.hpp: names into addresses, and DNS records, while other fibers go on.
//
// What getaddrinfo(3) does, on fibers: address literals, the hosts file, then the DNS, asked
// through c-ares. Nothing here waits in the kernel, and no thread is made. Equal questions under
// way share one query; answers are kept for as long as their TTL says, refusals briefly. A caller
// that times out or is cancelled leaves at once; what it asked for is given up when nobody else
// waits. While no look-up is under way the resolver has no fiber, no timer and no socket. The files
// are read again when they change.
#pragma once

#include <netdb.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/address.hpp"
#include "runtime/clock.hpp"
#include "runtime/dns_message.hpp"
#include "runtime/error.hpp"

namespace coir {

class Scheduler;

// One for a scheduler; used by its fibers only. Nobody may be inside when it is destroyed.
class Resolver {
public:
    struct Query {
        std::string_view host = {};     // empty: this machine, or any address with AI_PASSIVE
        std::string_view service = {};  // a port or a name of the services file; empty: port 0
        int family = AF_UNSPEC;         // or AF_INET, AF_INET6
        int type = 0;                   // SOCK_*; 0: one row for each of stream, datagram, raw
        int protocol = 0;               // IPPROTO_*
        int flags = 0;                  // AI_* of <netdb.h>
    };

    struct Row {
        int family;
        int type;
        int protocol;
        Address address;
        std::string canonical_name;  // of the first row only, with AI_CANONNAME
    };

    struct Answer {
        std::vector<Row> rows;   // the one to try first comes first (RFC 6724)
        Error error;             // if set, there are no rows, and
        std::string message;     // says what was looked up and what was wrong
        bool temporary = false;  // a server has not given an answer: asking again may help
    };

    struct Records {
        std::vector<DnsRecord> records;
        Error error;
        std::string message;
    };

    // The files that are read; tests have their own.
    struct Files {
        std::string hosts = "/etc/hosts";
        std::string resolv_conf = "/etc/resolv.conf";
        std::string services = "/etc/services";
    };

    // Reads and opens nothing yet. Throws std::bad_alloc.
    explicit Resolver(Scheduler& scheduler);
    Resolver(Scheduler& scheduler, const Files& files);
    ~Resolver();
    Resolver(const Resolver&) = delete;
    Resolver& operator=(const Resolver&) = delete;

    // The addresses of a host, as getaddrinfo(3) gives them. Suspends; a cancellation point.
    // Errors: EIO (what the hosts file, the services file or the DNS says, or a query that cannot
    // be answered), ETIMEDOUT, ECANCELED, EINTR, ENOMEM.
    Answer resolve(const Query& query, Deadline deadline);

    // The records of `type` (DnsType) that the DNS has for `name`, which is complete: the search
    // list and the hosts file are not looked at. A name that has none of this type gives none.
    // Suspends; a cancellation point. Errors: as above; EIO also for a name that does not exist.
    Records query(std::string_view name, DnsType type, Deadline deadline);

    // The servers that are asked from now on; none: those of resolv.conf. Error: ENOMEM.
    Error set_servers(std::span<const Address> servers);
    std::span<const Address> servers();  // valid until the next call

    // Forgets every answer. Questions under way go on for those who have asked them.
    void flush();

    // Reads other files from now on. Error: ENOMEM.
    Error set_files(const Files& files);
    const Files& files() const;

private:
    struct Parts;
    std::unique_ptr<Parts> parts_;
};

}  // namespace coir
