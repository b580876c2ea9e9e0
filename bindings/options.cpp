// options.cpp: reads the command line and answers what needs no Lua.
//
// The rules are lua5.4's: options end at the first word that is none, at `--`, or at `-`; the value
// of -e and -l is the rest of the word or the next one; one mistake anywhere and nothing is run.

#include "bindings/interpreter.hpp"

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace coir {

namespace {

constexpr std::string_view stack_prefix = "--stack=";
constexpr std::string_view watch_prefix = "--watch=";
constexpr unsigned default_watch_ms = 50;

unsigned shift_of_suffix(std::string_view suffix) {
    if (suffix == "k" || suffix == "K") return 10;
    if (suffix == "m" || suffix == "M") return 20;
    if (suffix == "g" || suffix == "G") return 30;
    return 0;
}

// Reads a number of bytes such as 65536, 512k, 8m or 1g. Returns 0 when `text` is not a size.
std::size_t parse_size(std::string_view text) {
    constexpr std::string_view digits = "0123456789";
    std::size_t end = text.find_first_not_of(digits);
    std::string_view suffix = end == text.npos ? "" : text.substr(end);
    unsigned shift = shift_of_suffix(suffix);
    if (!suffix.empty() && shift == 0) return 0;
    std::size_t size = 0;
    for (char digit : text.substr(0, end)) {
        if (size > (SIZE_MAX >> shift) / 10 - 1) return 0;
        size = size * 10 + static_cast<std::size_t>(digit - '0');
    }
    return size << shift;
}

// Reads a whole number of milliseconds, up to an hour. Returns 0 when `text` is none.
unsigned parse_milliseconds(std::string_view text) {
    constexpr unsigned most = 3'600'000;
    unsigned value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    bool whole = error == std::errc() && end == text.data() + text.size();
    return whole && value <= most ? value : 0;
}

void complain(Options& options, Complaint complaint, const char* culprit) {
    if (options.complaint != Complaint::none) return;
    options.complaint = complaint;
    options.culprit = culprit;
}

void parse_long_option(Options& options, const char* word) {
    std::string_view text = word;
    if (text == "--help") {
        options.help = true;
    } else if (text == "--version") {
        options.version = true;
    } else if (text == "--no-hooks") {
        options.hooks = false;
    } else if (text == "--watch") {
        options.watch_ms = default_watch_ms;
    } else if (text.starts_with(watch_prefix)) {
        options.watch_ms = parse_milliseconds(text.substr(watch_prefix.size()));
        if (options.watch_ms == 0) complain(options, Complaint::invalid_time, word);
    } else if (text.starts_with(stack_prefix)) {
        options.stack_size = parse_size(text.substr(stack_prefix.size()));
        if (options.stack_size == 0) complain(options, Complaint::invalid_size, word);
    } else {
        complain(options, Complaint::unknown_option, word);
    }
}

void parse_flag(Options& options, const char* word) {
    bool alone = word[2] == '\0';
    switch (alone ? word[1] : '\0') {
        case 'E':
            options.ignore_environment = true;
            break;
        case 'W':
            break;
        case 'i':
            options.interactive = options.lua_version = true;
            break;
        case 'v':
            options.lua_version = true;
            break;
        default:
            complain(options, Complaint::unknown_option, word);
    }
}

// Reads the option at `i`; returns the index of the word after it and its value.
int parse_option(Options& options, int argc, char** argv, int i) {
    const char* word = argv[i];
    if (word[1] == '-') {
        parse_long_option(options, word);
        return i + 1;
    }
    if (word[1] != 'e' && word[1] != 'l') {
        parse_flag(options, word);
        return i + 1;
    }
    if (word[1] == 'e') options.has_statement = true;
    if (word[2] != '\0') return i + 1;
    if (i + 1 < argc && argv[i + 1][0] != '-') return i + 2;
    complain(options, Complaint::missing_argument, word);
    return argc;
}

void print_usage(FILE* out, const char* program) {
    std::fprintf(out,
                 "usage: %s [options] [script [args]]\n"
                 "Available options are:\n"
                 "  -e stat   execute string 'stat'\n"
                 "  -i        enter interactive mode after executing 'script'\n"
                 "  -l mod    require library 'mod' into global 'mod'\n"
                 "  -l g=mod  require library 'mod' into global 'g'\n"
                 "  -v        show version information\n"
                 "  -E        ignore environment variables\n"
                 "  -W        turn warnings on\n"
                 "  --        stop handling options\n"
                 "  -         stop handling options and execute stdin\n"
                 "  --stack=SIZE  reserve SIZE bytes (k, m, g) for the C stack of a fiber\n"
                 "  --no-hooks    let C libraries that wait block the thread\n"
                 "  --watch[=MS]  report fibers that keep the thread for MS milliseconds (50)\n"
                 "  --version     show the version of coir and exit\n"
                 "  --help        show this text and exit\n",
                 program);
    std::fflush(out);
}

void print_complaint(const Options& options) {
    const char* format = "%s: unrecognized option '%s'\n";
    if (options.complaint == Complaint::missing_argument) format = "%s: '%s' needs argument\n";
    if (options.complaint == Complaint::invalid_size) format = "%s: invalid size in '%s'\n";
    if (options.complaint == Complaint::invalid_time) format = "%s: invalid time in '%s'\n";
    std::fprintf(stderr, format, options.program, options.culprit);
}

}  // namespace

Options parse_options(int argc, char** argv) {
    Options options;
    if (argc > 0 && argv[0][0] != '\0') options.program = argv[0];
    int i = 1;
    while (i < argc && argv[i][0] == '-' && argv[i][1] != '\0') {
        if (std::strcmp(argv[i], "--") == 0) {
            ++i;
            break;
        }
        i = parse_option(options, argc, argv, i);
    }
    options.script = i < argc ? i : argc;
    return options;
}

std::optional<int> answer_without_lua(const Options& options, const char* about) {
    if (options.complaint != Complaint::none) {
        print_complaint(options);
        print_usage(stderr, options.program);
        return EXIT_FAILURE;
    }
    if (options.help) {
        print_usage(stdout, options.program);
        return EXIT_SUCCESS;
    }
    if (options.version) {
        std::printf("%s\n", about);
        return std::fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    return std::nullopt;
}

}  // namespace coir
