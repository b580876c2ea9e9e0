// load.cpp: the load generator, one thread that keeps many connections to an echo server busy.
//
// Usage: see `load --help`. It compares every byte that comes back with what it sent, and reports
// requests per second, latencies and, given --server-pid, what a request costs the server. Ctrl-C
// ends the measured part early and reports what was done. Exit status: 1 when a connection failed
// or an answer was wrong, 130 when interrupted, 2 for wrong arguments.

#include "bench/load/generator.hpp"
#include "bench/load/options.hpp"
#include "bench/load/process_usage.hpp"
#include "bench/load/report.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>

#include <sys/resource.h>

using namespace coir::bench;

static std::optional<ProcessUsage> usage_of_server(const Options& options) {
    return options.server_pid > 0 ? read_usage(options.server_pid) : std::nullopt;
}

// Allows one descriptor for each connection and some more.
static void raise_descriptor_limit(std::size_t connections) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = connections + 64;
    limit.rlim_max = std::max(limit.rlim_max, limit.rlim_cur);
    if (::setrlimit(RLIMIT_NOFILE, &limit) == 0) return;
    std::perror("load: too many connections: setrlimit");
    std::exit(1);
}

// Waits for the end of a line on standard input. Returns false at its end.
static bool read_line() {
    int byte = 0;
    do {
        byte = std::getchar();
    } while (byte != '\n' && byte != EOF);
    return byte == '\n';
}

static void warm_up(const Options& options, Generator& generator) {
    if (options.mode != Mode::churn) generator.connect_all();
    generator.run(options.mode == Mode::idle ? 0 : options.warmup_s);
    if (options.mode == Mode::idle) generator.hold(options.warmup_s);
}

// Runs the measured part once and reports it.
static void measure(const Options& options, Generator& generator, ServerUsage& server) {
    server.before = usage_of_server(options);
    if (options.mode == Mode::idle) {
        generator.hold(options.duration_s);
    } else {
        generator.run(options.duration_s);
    }
    server.after = usage_of_server(options);
    (options.json ? print_json : print_text)(options, generator, server);
    std::fflush(stdout);
}

static void measure_at_each_line(const Options& options, Generator& generator,
                                 ServerUsage& server) {
    std::puts("ready");
    std::fflush(stdout);
    while (!interrupted() && read_line()) measure(options, generator, server);
}

int main(int argc, char** argv) {
    Options options = parse_options(argc, argv);
    raise_descriptor_limit(options.connections);
    stop_at_interrupt();

    Generator generator(options);
    ServerUsage server;
    server.at_first = usage_of_server(options);
    warm_up(options, generator);
    (options.step ? measure_at_each_line : measure)(options, generator, server);

    if (generator.faults() > 0) return 1;
    return interrupted() ? 130 : 0;
}
