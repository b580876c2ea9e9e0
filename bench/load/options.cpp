// options.cpp: the command line of the load generator, `--name=value` and `--name`.

#include "bench/load/options.hpp"

#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace coir::bench {

static constexpr const char* usage =
    R"(usage: load --port=N [option...]
  --port=N            the echo server's port on 127.0.0.1
  --mode=MODE         echo (default), line, churn or idle
  --connections=C     50
  --size=BYTES        size of a message, 64
  --depth=N           messages under way on each connection, 1
  --rate=N            N requests a second on all connections together, each at a fixed moment; its
                      latency counts from that moment, also when it had to be sent later
  --requests=N        end the measured part after N requests, if its time is not over before
  --duration=SECONDS  of the measured part, 3
  --warmup=SECONDS    before it, 1
  --patience=SECONDS  without any event, after which missing answers are lost, 5
  --server-pid=P      also report the server's CPU time, context switches and memory
  --json              report as one line of JSON
  --step              print "ready" after the warm-up, then run and report one measured part for
                      each line on standard input
)";

static constexpr pid_t largest_pid = 1 << 22;                        // Linux makes no larger ones
static constexpr std::size_t largest_window = std::size_t{1} << 26;  // bytes on one connection

[[noreturn]] static void reject(std::string_view argument) {
    std::fprintf(stderr, "load: cannot use '%.*s'\n%s", static_cast<int>(argument.size()),
                 argument.data(), usage);
    std::exit(2);
}

// The number in `value`, which must lie between `least` and `most`.
template <typename Number>
static Number number(std::string_view argument, std::string_view value, Number least, Number most) {
    Number result{};
    const char* end = value.data() + value.size();
    auto [stop, error] = std::from_chars(value.data(), end, result);
    if (error != std::errc{} || stop != end) reject(argument);
    if (!(result >= least && result <= most)) reject(argument);
    return result;
}

static constexpr std::array modes{Mode::echo, Mode::line, Mode::churn, Mode::idle};

static Mode mode_named(std::string_view argument, std::string_view value) {
    for (Mode mode : modes) {
        if (value == name_of(mode)) return mode;
    }
    reject(argument);
}

static void parse_value(Options& options, std::string_view argument, std::string_view value) {
    auto is = [&](std::string_view name) { return argument.substr(0, argument.find('=')) == name; };
    auto count = [&](auto least, auto most) { return number(argument, value, least, most); };
    if (is("--mode")) {
        options.mode = mode_named(argument, value);
    } else if (is("--port")) {
        options.port = count(std::uint16_t{1}, std::uint16_t{65535});
    } else if (is("--connections")) {
        options.connections = count(std::size_t{1}, std::size_t{1'000'000});
    } else if (is("--size")) {
        options.size = count(std::size_t{1}, std::size_t{1} << 24);
    } else if (is("--depth")) {
        options.depth = count(std::size_t{1}, std::size_t{1} << 12);
    } else if (is("--rate")) {
        options.rate = count(1.0, 1e7);
    } else if (is("--requests")) {
        options.requests = count(std::uint64_t{1}, std::uint64_t{1} << 40);
    } else if (is("--patience")) {
        options.patience_s = count(0.001, 1e6);
    } else if (is("--duration")) {
        options.duration_s = count(0.0, 1e6);
    } else if (is("--warmup")) {
        options.warmup_s = count(0.0, 1e6);
    } else if (is("--server-pid")) {
        options.server_pid = count(pid_t{1}, largest_pid);
    } else {
        reject(argument);
    }
}

static void parse_argument(Options& options, std::string_view argument) {
    std::size_t equals = argument.find('=');
    if (argument == "--help") {
        std::fputs(usage, stdout);
        std::exit(0);
    } else if (argument == "--json") {
        options.json = true;
    } else if (argument == "--step") {
        options.step = true;
    } else if (equals != std::string_view::npos) {
        parse_value(options, argument, argument.substr(equals + 1));
    } else {
        reject(argument);
    }
}

Options parse_options(int argc, char** argv) {
    Options options;
    for (int i = 1; i < argc; ++i) parse_argument(options, argv[i]);
    if (options.port == 0) reject("no --port");
    if (options.size * options.depth > largest_window) reject("--size times --depth");
    if (options.mode == Mode::churn || options.mode == Mode::idle) {
        if (options.rate > 0) reject("--rate in this mode");
        options.depth = 1;
    }
    return options;
}

const char* name_of(Mode mode) {
    switch (mode) {
        case Mode::echo:
            return "echo";
        case Mode::line:
            return "line";
        case Mode::churn:
            return "churn";
        case Mode::idle:
            return "idle";
    }
    return "";
}

}  // namespace coir::bench
