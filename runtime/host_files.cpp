#include "runtime/host_files.hpp"

#include <algorithm>
#include <cstring>

#include "runtime/dns_message.hpp"

namespace coir {

namespace {

bool same_address(const Address& left, const Address& right) {
    return left.size() == right.size() && std::memcmp(left.data(), right.data(), left.size()) == 0;
}

std::string service_key(std::string_view name, std::string_view protocol) {
    std::string key(name);
    key += '/';
    return key.append(protocol);
}

}  // namespace

// -- Hosts ----------------------------------------------------------------------------------------

const HostsFile::Host* HostsFile::find(std::string_view name) {
    if (file_.refresh()) {
        hosts_.clear();
        for_each_line(file_.text(), [this](std::string_view line) { add_line(line); });
    }
    auto found = hosts_.find(lower_case(name));
    return found == hosts_.end() ? nullptr : &found->second;
}

// An address, the canonical name and any number of aliases.
void HostsFile::add_line(std::string_view line) {
    std::vector<std::string_view> words = words_of(line);
    if (words.size() < 2) return;
    Result<Address> address = Address::inet(AF_UNSPEC, words[0], 0);
    if (!address) return;
    for (std::size_t i = 1; i < words.size(); ++i) {
        Host& host = hosts_[lower_case(words[i])];
        if (host.addresses.empty()) host.canonical_name = words[1];
        auto same = [&](const Address& known) { return same_address(known, *address); };
        if (std::none_of(host.addresses.begin(), host.addresses.end(), same)) {
            host.addresses.push_back(*address);
        }
    }
}

// -- Services -------------------------------------------------------------------------------------

std::optional<std::uint16_t> ServicesFile::find(std::string_view name, std::string_view protocol) {
    if (file_.refresh()) {
        ports_.clear();
        for_each_line(file_.text(), [this](std::string_view line) { add_line(line); });
    }
    auto found = ports_.find(service_key(name, protocol));
    if (found == ports_.end()) return std::nullopt;
    return found->second;
}

// A name, the port with the protocol, and any number of aliases. The first line that has a name
// counts.
void ServicesFile::add_line(std::string_view line) {
    std::vector<std::string_view> words = words_of(line);
    if (words.size() < 2) return;
    std::size_t slash = words[1].find('/');
    if (slash == std::string_view::npos) return;
    Result<std::uint16_t> port = parse_port(words[1].substr(0, slash));
    if (!port) return;
    std::string_view protocol = words[1].substr(slash + 1);
    words[1] = words[0];
    for (std::string_view word : words) ports_.try_emplace(service_key(word, protocol), *port);
}

}  // namespace coir
