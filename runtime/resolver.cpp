#include "runtime/resolver.hpp"

#include <algorithm>
#include <new>

#include "runtime/address_order.hpp"
#include "runtime/dns_client.hpp"
#include "runtime/host_files.hpp"
#include "runtime/host_name.hpp"
#include "runtime/resolver_services.hpp"

namespace coir {

namespace {

// What the C library knows besides: IDN names are refused unless they are ASCII.
#ifdef AI_IDN
constexpr int idn_flags = AI_IDN | AI_CANONIDN;
#else
constexpr int idn_flags = 0xc0;
#endif
constexpr int known_flags = AI_PASSIVE | AI_CANONNAME | AI_NUMERICHOST | AI_V4MAPPED | AI_ALL |
                            AI_ADDRCONFIG | AI_NUMERICSERV | idn_flags;

Address parsed(int family, std::string_view text) { return *Address::inet(family, text, 0); }

Address mapped(const Address& v4) {
    return parsed(AF_INET6, "::ffff:" + std::string(v4.host().view()));
}

bool is_local(std::string_view name) {
    if (name.ends_with('.')) name.remove_suffix(1);
    constexpr std::string_view local = "localhost";
    if (name.size() < local.size() || !same_name(name.substr(name.size() - local.size()), local)) {
        return false;
    }
    return name.size() == local.size() || name[name.size() - local.size() - 1] == '.';
}

}  // namespace

struct Resolver::Parts {
    Parts(Scheduler& scheduler, const Files& files)
        : scheduler(scheduler),
          files(files),
          hosts(files.hosts),
          services(files.services),
          dns(scheduler, files.resolv_conf) {}

    Scheduler& scheduler;
    Files files;
    HostsFile hosts;
    ServicesFile services;
    DnsClient dns;
};

namespace {

// One call of resolve(). Every step returns an error, and has then said in `problem` what is wrong.
class LookUp {
public:
    LookUp(HostsFile& hosts, DnsClient& dns, const Resolver::Query& query, Deadline deadline)
        : hosts_(hosts), dns_(dns), query_(query), deadline_(deadline) {}

    Error run() {
        Error error = find();
        if (!error) sort_addresses(addresses);
        return error;
    }

    std::vector<Address> addresses;
    std::string canonical_name;
    std::string problem;

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
    Error take(const DnsClient::Ticket& ticket, int family, std::vector<Address>& found, bool& go_on);
    void use_this_machine(bool any);
    bool use(const std::vector<Address>& v4, const std::vector<Address>& v6);
    bool use_hosts();

    HostsFile& hosts_;
    DnsClient& dns_;
    const Resolver::Query& query_;
    Deadline deadline_;
};

Error LookUp::find() {
    std::string_view host = query_.host;
    canonical_name = host;
    if (host.empty()) {
        if (has(AI_CANONNAME)) return fail("AI_CANONNAME needs a host");
        use_this_machine(has(AI_PASSIVE));
        return {};
    }
    if (Result<Address> literal = Address::inet(AF_UNSPEC, host, 0)) return use_literal(*literal);
    if (has(AI_NUMERICHOST)) return fail("not a numeric address");
    if (const char* trouble = problem_with_host_name(host)) return fail(trouble);
    if (use_hosts()) return {};
    if (is_local(host)) {  // never asked of a server (RFC 6761)
        use_this_machine(false);
        return {};
    }
    return ask_dns();
}

Error LookUp::use_literal(Address address) {
    constexpr std::string_view mapped_prefix = "::ffff:";
    if (query_.family == AF_INET6 && address.family() == AF_INET) {
        if (!has(AI_V4MAPPED)) return fail("an IPv4 address where IPv6 is asked for");
        address = mapped(address);
    } else if (query_.family == AF_INET && address.family() == AF_INET6) {
        Address::Text text = address.host();
        bool holds_v4 = text.view().starts_with(mapped_prefix);
        Result<Address> v4 = Address::inet(AF_INET, text.view().substr(holds_v4 ? mapped_prefix.size() : 0), 0);
        if (!v4) return fail("an IPv6 address where IPv4 is asked for");
        address = *v4;
    }
    addresses = {address};
    return {};
}

// The unspecified addresses, or those of the loopback.
void LookUp::use_this_machine(bool any) {
    if (wants_v6()) addresses.push_back(parsed(AF_INET6, any ? "::" : "::1"));
    if (query_.family != AF_INET6) addresses.push_back(parsed(AF_INET, any ? "0.0.0.0" : "127.0.0.1"));
}

// Takes what the family and the flags ask for. False: there is nothing of it.
bool LookUp::use(const std::vector<Address>& v4, const std::vector<Address>& v6) {
    if (wants_v6()) addresses = v6;
    bool v4_too = query_.family != AF_INET6 || (has(AI_V4MAPPED) && (has(AI_ALL) || v6.empty()));
    if (v4_too) {
        for (const Address& address : v4) {
            addresses.push_back(query_.family == AF_INET6 ? mapped(address) : address);
        }
    }
    return !addresses.empty();
}

bool LookUp::use_hosts() {
    std::string_view name = query_.host;
    if (name.ends_with('.')) name.remove_suffix(1);
    const HostsFile::Host* host = hosts_.find(name);
    if (host == nullptr) return false;
    std::vector<Address> v4, v6;
    for (const Address& address : host->addresses) {
        (address.family() == AF_INET ? v4 : v6).push_back(address);
    }
    if (!use(v4, v6)) return false;
    canonical_name = host->canonical_name;
    return true;
}

// -- The DNS -----------------------------------------------------------------------------------------

Error LookUp::ask_dns() {
    Families families = has(AI_ADDRCONFIG) ? configured_families() : Families();
    bool v4 = wants_v4() && families.v4;
    bool v6 = wants_v6() && families.v6;
    if (!v4 && !v6) return fail("this machine has no address of the family");
    problem = "no such name";
    for (const std::string& name : complete_names(query_.host, dns_.conf())) {
        bool go_on = true;
        if (Error error = ask_for(name, v4, v6, go_on)) return error;
        if (!addresses.empty()) return {};
        if (!go_on) break;
    }
    return std::errc::io_error;
}

// Asks for both families at once. `go_on`: the search list may still have it.
Error LookUp::ask_for(const std::string& name, bool v4, bool v6, bool& go_on) {
    std::vector<DnsClient::Ticket> tickets;
    tickets.reserve(2);
    if (v6) tickets.push_back(dns_.ask(name, DnsType::aaaa));
    if (v4) tickets.push_back(dns_.ask(name, DnsType::a));
    std::vector<Address> found[2];
    for (const DnsClient::Ticket& ticket : tickets) {
        int family = v6 && &ticket == tickets.data() ? AF_INET6 : AF_INET;
        if (Error error = take(ticket, family, found[family == AF_INET6], go_on)) return error;
    }
    (void)use(found[0], found[1]);
    return {};
}

Error LookUp::take(const DnsClient::Ticket& ticket, int family, std::vector<Address>& found, bool& go_on) {
    if (Error error = dns_.wait(ticket, deadline_)) return error;
    const DnsAnswer& answer = ticket.answer();
    for (const DnsRecord& record : answer.message.records) {
        found.push_back(parsed(family, record.fields.front().text));
    }
    if (!found.empty()) canonical_name = answer.message.canonical_name;
    bool failed = answer.kind == DnsAnswer::Kind::failed || answer.kind == DnsAnswer::Kind::silent;
    if (failed) {
        problem = answer.problem;
    } else if (answer.kind == DnsAnswer::Kind::found && problem == "no such name") {
        problem = "the name has no address";
    }
    if (answer.kind == DnsAnswer::Kind::silent) go_on = false;
    return {};
}

// -- Answers -----------------------------------------------------------------------------------------

const char* text_of(Error error) {
    if (error == std::errc::timed_out) return "timed out";
    if (error == std::errc::operation_canceled) return "cancelled";
    if (error == std::errc::interrupted) return "interrupted";
    return "out of memory";
}

// "cannot resolve example.com:http: <why>"
std::string describe(std::string_view host, std::string_view service, Error error,
                     const std::string& problem) {
    std::string text = "cannot resolve " + printable(host);
    if (!service.empty()) text += ':' + printable(service);
    return text + ": " + (error == std::errc::io_error ? problem : text_of(error));
}

Resolver::Answer refuse(const Resolver::Query& query, Error error, const std::string& problem = {}) {
    return {{}, error, describe(query.host, query.service, error, problem)};
}

const char* problem_with(const Resolver::Query& query) {
    if (query.family != AF_UNSPEC && query.family != AF_INET && query.family != AF_INET6) {
        return "only addresses of the families AF_INET and AF_INET6 have names";
    }
    return (query.flags & ~known_flags) != 0 ? "unknown flags" : nullptr;
}

std::vector<Resolver::Row> make_rows(LookUp& found, const std::vector<Service>& services, int flags) {
    std::vector<Resolver::Row> rows;
    rows.reserve(found.addresses.size() * services.size());
    for (Address& address : found.addresses) {
        for (const Service& service : services) {
            address.set_port(service.port);
            rows.push_back({address.family(), service.type, service.protocol, address, {}});
        }
    }
    if ((flags & AI_CANONNAME) != 0) rows.front().canonical_name = std::move(found.canonical_name);
    return rows;
}

}  // namespace

// -- The public face ---------------------------------------------------------------------------------

Resolver::Resolver(Scheduler& scheduler) : Resolver(scheduler, Files()) {}
Resolver::Resolver(Scheduler& scheduler, const Files& files)
    : parts_(std::make_unique<Parts>(scheduler, files)) {}
Resolver::~Resolver() = default;

Resolver::Answer Resolver::resolve(const Query& query, Deadline deadline) try {
    if (Error error = parts_->scheduler.checkpoint()) return refuse(query, error);
    if (const char* problem = problem_with(query)) return refuse(query, std::errc::io_error, problem);
    std::string problem;
    std::vector<Service> services =
        find_services(parts_->services, query.service, (query.flags & AI_NUMERICSERV) != 0, query.type,
                      query.protocol, problem);
    if (services.empty()) return refuse(query, std::errc::io_error, problem);
    LookUp look_up(parts_->hosts, parts_->dns, query, deadline);
    if (Error error = look_up.run()) return refuse(query, error, look_up.problem);
    return {make_rows(look_up, services, query.flags), {}, {}};
} catch (const std::bad_alloc&) {
    return {{}, std::errc::not_enough_memory, {}};
}

Resolver::Records Resolver::query(std::string_view name, DnsType type, Deadline deadline) try {
    auto fail = [&](Error error, const std::string& problem) -> Records {
        return {{}, error, describe(name, {}, error, problem)};
    };
    if (Error error = parts_->scheduler.checkpoint()) return fail(error, {});
    if (const char* problem = problem_with_dns_name(name)) return fail(std::errc::io_error, problem);
    if (name.ends_with('.')) name.remove_suffix(1);
    DnsClient::Ticket ticket = parts_->dns.ask(name, type);
    if (Error error = parts_->dns.wait(ticket, deadline)) return fail(error, {});
    const DnsAnswer& answer = ticket.answer();
    if (answer.kind != DnsAnswer::Kind::found) return fail(std::errc::io_error, answer.problem);
    return {answer.message.records, {}, {}};
} catch (const std::bad_alloc&) {
    return {{}, std::errc::not_enough_memory, {}};
}

Error Resolver::set_servers(std::span<const Address> servers) try {
    parts_->dns.set_servers(servers);
    return {};
} catch (const std::bad_alloc&) {
    return std::errc::not_enough_memory;
}

std::span<const Address> Resolver::servers() try {
    return parts_->dns.conf().servers;
} catch (const std::bad_alloc&) {
    return {};
}

void Resolver::flush() { parts_->dns.flush(); }

Error Resolver::set_files(const Files& files) try {
    parts_->files = files;
    parts_->hosts = HostsFile(files.hosts);
    parts_->services = ServicesFile(files.services);
    parts_->dns.set_resolv_conf(files.resolv_conf);
    return {};
} catch (const std::bad_alloc&) {
    return std::errc::not_enough_memory;
}

const Resolver::Files& Resolver::files() const { return parts_->files; }

}  // namespace coir
