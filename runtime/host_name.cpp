#include "runtime/host_name.hpp"

#include <algorithm>

namespace coir {

namespace {

constexpr std::size_t name_limit = 253;
constexpr std::size_t label_limit = 63;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

std::string_view without_dot(std::string_view name) {
    if (name.ends_with('.')) name.remove_suffix(1);
    return name;
}

// A name that ends in a number is a misspelt address: no such domain exists.
bool ends_in_number(std::string_view name) {
    std::string_view last = name.substr(name.rfind('.') + 1);
    return std::all_of(last.begin(), last.end(), is_digit);
}

}  // namespace

const char* problem_with_dns_name(std::string_view name) {
    for (char c : name) {
        if (c == '\0') return "a zero byte in the name";
        if (static_cast<unsigned char>(c) >= 0x80) {
            return "the name is not ASCII (write it in its ASCII form, xn--…)";
        }
        if (c <= ' ' || c == 0x7f || c == '\\') return "a character that no name has";
    }
    name = without_dot(name);
    if (name.size() > name_limit) return "the name is longer than 253 bytes";
    for (;;) {
        std::size_t dot = name.find('.');
        std::size_t size = std::min(dot, name.size());
        if (size == 0) return "an empty label in the name";
        if (size > label_limit) return "a label of the name is longer than 63 bytes";
        if (dot == std::string_view::npos) return nullptr;
        name.remove_prefix(dot + 1);
    }
}

const char* problem_with_host_name(std::string_view name) {
    if (const char* problem = problem_with_dns_name(name)) return problem;
    for (char c : name) {
        if (!is_letter(c) && !is_digit(c) && c != '-' && c != '_' && c != '.') {
            return c == ':' ? "no valid address" : "a character that no host name has";
        }
    }
    return nullptr;
}

// As the C library does: a name with a final dot is complete; one with `ndots` dots is tried first
// as it is, others after the search list.
std::vector<std::string> complete_names(std::string_view name, const ResolvConf& conf) {
    std::vector<std::string> names;
    auto add = [&](std::string candidate) {
        if (candidate.size() <= name_limit && !ends_in_number(candidate)) {
            names.push_back(std::move(candidate));
        }
    };
    bool complete = name.ends_with('.');
    name = without_dot(name);
    bool first = complete || std::count(name.begin(), name.end(), '.') >= conf.ndots;
    if (first) add(std::string(name));
    if (complete) return names;
    for (const std::string& domain : conf.search) add(std::string(name) + '.' + domain);
    if (!first) add(std::string(name));
    return names;
}

std::string printable(std::string_view text) {
    constexpr std::size_t longest = 80;
    std::string shown;
    for (char c : text.substr(0, longest)) {
        auto byte = static_cast<unsigned char>(c);
        if (byte >= ' ' && byte != 0x7f) {
            shown += c;
        } else {
            for (int divisor : {100, 10, 1}) shown += static_cast<char>('0' + byte / divisor % 10);
            shown.insert(shown.size() - 3, 1, '\\');
        }
    }
    return text.size() > longest ? shown + "…" : shown;
}

}  // namespace coir
