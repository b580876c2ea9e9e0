#include "runtime/resolv_conf.hpp"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "runtime/text_file.hpp"

namespace coir {

namespace {

constexpr std::uint16_t dns_port = 53;

// The limits are those of the C library.
constexpr int ndots_limit = 15;
constexpr int timeout_limit = 30;
constexpr int attempts_limit = 5;

std::string_view without_dot(std::string_view domain) {
    if (domain.ends_with('.')) domain.remove_suffix(1);
    return domain;
}

// Sets `value` when `option` is "<name>:<number>".
void read_number(std::string_view option, std::string_view name, int least, int most, int& value) {
    if (!option.starts_with(name)) return;
    int number = 0;
    const char* start = option.data() + name.size();
    auto [end, error] = std::from_chars(start, option.data() + option.size(), number);
    if (error == std::errc() && end > start) value = std::clamp(number, least, most);
}

void read_options(ResolvConf& conf, const std::vector<std::string_view>& words, std::size_t first) {
    for (std::size_t i = first; i < words.size(); ++i) {
        read_number(words[i], "ndots:", 0, ndots_limit, conf.ndots);
        read_number(words[i], "timeout:", 1, timeout_limit, conf.timeout);
        read_number(words[i], "attempts:", 1, attempts_limit, conf.attempts);
        if (words[i] == "rotate") conf.rotate = true;
        if (words[i] == "use-vc") conf.use_tcp = true;
    }
}

void read_search(ResolvConf& conf, const std::vector<std::string_view>& words, std::size_t first) {
    conf.search.clear();
    for (std::size_t i = first; i < words.size(); ++i) {
        if (std::string_view domain = without_dot(words[i]); !domain.empty()) {
            conf.search.emplace_back(domain);
        }
    }
}

// The search list of a file that has none: the domain in the machine's own name.
void search_own_domain(ResolvConf& conf) {
    char name[256] = "";
    if (::gethostname(name, sizeof name - 1) < 0) return;
    std::string_view own = name;
    std::size_t dot = own.find('.');
    if (dot != std::string_view::npos && dot + 1 < own.size()) {
        conf.search.emplace_back(own.substr(dot + 1));
    }
}

void read_environment(ResolvConf& conf) {
    if (const char* domains = std::getenv("LOCALDOMAIN")) read_search(conf, words_of(domains), 0);
    if (const char* options = std::getenv("RES_OPTIONS")) read_options(conf, words_of(options), 0);
}

}  // namespace

Result<Address> parse_server(std::string_view text) {
    std::string_view host = text;
    std::uint16_t port = dns_port;
    bool bracket = text.starts_with('[');
    std::size_t colon = text.rfind(':');
    bool one_colon = colon != std::string_view::npos && colon == text.find(':');
    bool has_port = bracket ? colon != std::string_view::npos && text[colon - 1] == ']' : one_colon;
    if (has_port) {
        Result<std::uint16_t> number = parse_port(text.substr(colon + 1));
        if (!number || *number == 0) return std::errc::invalid_argument;
        port = *number;
        host = text.substr(0, colon);
    }
    if (bracket) {
        if (!host.ends_with(']')) return std::errc::invalid_argument;
        host = host.substr(1, host.size() - 2);
    }
    Result<Address> server = Address::inet(bracket ? AF_INET6 : AF_UNSPEC, host, port);
    return server ? server : std::errc::invalid_argument;
}

ResolvConf parse_resolv_conf(std::string_view text) {
    ResolvConf conf;
    bool searched = false;
    for_each_line(text, [&](std::string_view line) {
        if (line.starts_with(';')) return;
        std::vector<std::string_view> words = words_of(line);
        if (words.size() < 2) return;
        if (words[0] == "nameserver") {
            Result<Address> server = Address::inet(AF_UNSPEC, words[1], dns_port);
            if (server) conf.servers.push_back(*server);
        } else if (words[0] == "options") {
            read_options(conf, words, 1);
        } else if (words[0] == "search" || words[0] == "domain") {
            if (words[0] == "domain") words.resize(2);
            read_search(conf, words, 1);
            searched = true;
        }
    });
    if (!searched) search_own_domain(conf);
    read_environment(conf);
    if (conf.servers.empty()) conf.servers = {*Address::inet(AF_INET, "127.0.0.1", dns_port)};
    return conf;
}

}  // namespace coir
