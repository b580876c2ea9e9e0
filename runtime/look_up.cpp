#include "runtime/look_up.hpp"

#include "runtime/address_order.hpp"
#include "runtime/host_name.hpp"

namespace coir {

namespace {

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

Error LookUp::run() {
    Error error = find();
    if (!error) sort_addresses(addresses);
    return error;
}

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
        Result<Address> v4 =
            Address::inet(AF_INET, text.view().substr(holds_v4 ? mapped_prefix.size() : 0), 0);
        if (!v4) return fail("an IPv6 address where IPv4 is asked for");
        address = *v4;
    }
    addresses = {address};
    return {};
}

// The unspecified addresses, or those of the loopback.
void LookUp::use_this_machine(bool any) {
    if (wants_v6()) addresses.push_back(parsed(AF_INET6, any ? "::" : "::1"));
    if (query_.family != AF_INET6) {
        addresses.push_back(parsed(AF_INET, any ? "0.0.0.0" : "127.0.0.1"));
    }
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

// -- The DNS --------------------------------------------------------------------------------------

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

Error LookUp::take(const DnsClient::Ticket& ticket, int family, std::vector<Address>& found,
                   bool& go_on) {
    if (Error error = dns_.wait(ticket, deadline_)) return error;
    const DnsAnswer& answer = ticket.answer();
    for (const DnsRecord& record : answer.message.records) {
        found.push_back(parsed(family, record.fields.front().text));
    }
    if (!found.empty()) canonical_name = answer.message.canonical_name;
    bool failed = answer.kind == DnsAnswer::Kind::failed || answer.kind == DnsAnswer::Kind::silent;
    temporary |= failed;
    if (failed) {
        problem = answer.problem;
    } else if (answer.kind == DnsAnswer::Kind::found && problem == "no such name") {
        problem = "the name has no address";
    }
    if (answer.kind == DnsAnswer::Kind::silent) go_on = false;
    return {};
}

}  // namespace coir
