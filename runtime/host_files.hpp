// host_files.hpp: the names that this machine itself knows: of hosts (hosts(5)) and services
// (services(5)).
//
// Both are looked at before every answer and read again when they have changed. Names are the same
// in either case for hosts, not for services. Functions throw std::bad_alloc and nothing else.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "runtime/address.hpp"
#include "runtime/text_file.hpp"

namespace coir {

class HostsFile {
public:
    struct Host {
        std::string canonical_name;  // the first name of the first line that has the one looked up
        std::vector<Address> addresses;  // of all lines that have it, in their order
    };

    explicit HostsFile(std::string path) : file_(std::move(path)) {}

    // nullptr: not there. Valid until the next call.
    const Host* find(std::string_view name);

private:
    void add_line(std::string_view line);

    TextFile file_;
    std::unordered_map<std::string, Host> hosts_;
};

class ServicesFile {
public:
    explicit ServicesFile(std::string path) : file_(std::move(path)) {}

    // The port of a service under a protocol: "http", "tcp".
    std::optional<std::uint16_t> find(std::string_view name, std::string_view protocol);

private:
    void add_line(std::string_view line);

    TextFile file_;
    std::unordered_map<std::string, std::uint16_t> ports_;  // by "http/tcp"
};

}  // namespace coir
