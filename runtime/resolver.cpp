#include "runtime/resolver.hpp"

#include <new>

#include "runtime/dns_client.hpp"
#include "runtime/host_files.hpp"
#include "runtime/host_name.hpp"
#include "runtime/look_up.hpp"
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

// -- Answers --------------------------------------------------------------------------------------

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

Resolver::Answer refuse(const Resolver::Query& query, Error error, const std::string& problem = {},
                        bool temporary = false) {
    return {{}, error, describe(query.host, query.service, error, problem), temporary};
}

const char* problem_with(const Resolver::Query& query) {
    if (query.family != AF_UNSPEC && query.family != AF_INET && query.family != AF_INET6) {
        return "only addresses of the families AF_INET and AF_INET6 have names";
    }
    return (query.flags & ~known_flags) != 0 ? "unknown flags" : nullptr;
}

std::vector<Resolver::Row> make_rows(LookUp& found, const std::vector<Service>& services,
                                     int flags) {
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

// -- The public face ------------------------------------------------------------------------------

Resolver::Resolver(Scheduler& scheduler) : Resolver(scheduler, Files()) {}
Resolver::Resolver(Scheduler& scheduler, const Files& files)
    : parts_(std::make_unique<Parts>(scheduler, files)) {}
Resolver::~Resolver() = default;

Resolver::Answer Resolver::resolve(const Query& query, Deadline deadline) try {
    if (Error error = parts_->scheduler.checkpoint()) return refuse(query, error);
    if (const char* problem = problem_with(query)) {
        return refuse(query, std::errc::io_error, problem);
    }
    std::string problem;
    std::vector<Service> services =
        find_services(parts_->services, query.service, (query.flags & AI_NUMERICSERV) != 0,
                      query.type, query.protocol, problem);
    if (services.empty()) return refuse(query, std::errc::io_error, problem);
    LookUp look_up(parts_->hosts, parts_->dns, query, deadline);
    if (Error error = look_up.run())
        return refuse(query, error, look_up.problem, look_up.temporary);
    return {make_rows(look_up, services, query.flags), {}, {}, false};
} catch (const std::bad_alloc&) {
    return {{}, std::errc::not_enough_memory, {}, false};
}

Resolver::Records Resolver::query(std::string_view name, DnsType type, Deadline deadline) try {
    auto fail = [&](Error error, const std::string& problem) -> Records {
        return {{}, error, describe(name, {}, error, problem)};
    };
    if (Error error = parts_->scheduler.checkpoint()) return fail(error, {});
    if (const char* problem = problem_with_dns_name(name)) {
        return fail(std::errc::io_error, problem);
    }
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
