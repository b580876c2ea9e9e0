// look_up.hpp: the addresses of one host, as Resolver::resolve() looks for them.
#pragma once

#include <string>
#include <vector>

#include "runtime/dns_client.hpp"
#include "runtime/host_files.hpp"
#include "runtime/resolver.hpp"

namespace coir {

// One call of resolve(), on its stack. Every step returns an error, and after EIO `problem` says
// what is wrong. Throws std::bad_alloc.
class LookUp {
public:
    LookUp(HostsFile& hosts, DnsClient& dns, const Resolver::Query& query, Deadline deadline)
        : hosts_(hosts), dns_(dns), query_(query), deadline_(deadline) {}

    // Fills in the addresses, the one to try first first. Suspends; errors: EIO, those of a wait.
    Error run();

    std::vector<Address> addresses;
    std::string canonical_name;
    std::string problem;
    bool temporary = false;  // asking again may help

private:
    bool has(int flag) const { return (query_.flags & flag) != 0; }
    bool wants_v4() const { return query_.family != AF_INET6 || has(AI_V4MAPPED); }
    bool wants_v6() const { return query_.family != AF_INET; }

    Error fail(std::string why) {
        problem = std::move(why);
        return std::errc::io_error;
    }

    Error find();
    Error use_literal(Address address);
    Error ask_dns();
    Error ask_for(const std::string& name, bool v4, bool v6, bool& go_on);
    Error take(const DnsClient::Ticket& ticket, int family, std::vector<Address>& found,
               bool& go_on);
    void use_this_machine(bool any);
    bool use(const std::vector<Address>& v4, const std::vector<Address>& v6);
    bool use_hosts();

    HostsFile& hosts_;
    DnsClient& dns_;
    const Resolver::Query& query_;
    Deadline deadline_;
};

}  // namespace coir
