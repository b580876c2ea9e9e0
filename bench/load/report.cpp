// report.cpp: one run as a few lines of text or as one line of JSON.

#include "bench/load/report.hpp"

#include <cstdio>

namespace coir::bench {

// Figures of the server for one request or one connection. Only with the server's usage complete.
struct ServerFigures {
    double cpu_ns_per_request;
    double cpu_share;  // of one core, during the measured part
    double switches_per_request;
    std::uint64_t resident_bytes;
    double resident_bytes_per_connection;  // since before the first connection
};

static double quotient(double value, double by) { return by > 0 ? value / by : 0; }

static std::optional<ServerFigures> figures(const Options& options, const Generator& generator,
                                            const ServerUsage& server) {
    if (!server.at_first || !server.before || !server.after) return std::nullopt;
    auto requests = static_cast<double>(generator.latency().count());
    auto cpu_ns = static_cast<double>(server.after->cpu_ns - server.before->cpu_ns);
    auto switches =
        static_cast<double>(server.after->context_switches - server.before->context_switches);
    double growth = static_cast<double>(server.after->resident_bytes) -
                    static_cast<double>(server.at_first->resident_bytes);
    return ServerFigures{quotient(cpu_ns, requests), quotient(cpu_ns / 1e9, generator.elapsed_s()),
                         quotient(switches, requests), server.after->resident_bytes,
                         growth / static_cast<double>(options.connections)};
}

static double latency_us(const Generator& generator, double share) {
    return static_cast<double>(generator.latency().quantile(share)) / 1e3;
}

struct Quantile {
    const char* name;
    double share;
};

static constexpr Quantile quantiles[] = {
    {"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1}};

static double requests_per_second(const Generator& generator) {
    return quotient(static_cast<double>(generator.latency().count()), generator.elapsed_s());
}

void print_text(const Options& options, const Generator& generator, const ServerUsage& server) {
    std::printf("%s, %zu connections, %zu bytes, depth %zu, %.2f s%s\n", name_of(options.mode),
                options.connections, options.size, options.depth, generator.elapsed_s(),
                interrupted() ? ", interrupted" : "");
    std::printf("requests    %.0f/s\n", requests_per_second(generator));
    std::printf("latency    ");
    for (const Quantile& quantile : quantiles) {
        std::printf(" %s %.1f", quantile.name, latency_us(generator, quantile.share));
    }
    std::printf(" us\n");
    if (auto of = figures(options, generator, server)) {
        std::printf("server CPU  %.0f ns a request, %.1f %% of a core, %.4f context switches\n",
                    of->cpu_ns_per_request, of->cpu_share * 100, of->switches_per_request);
        std::printf("server RSS  %.1f MiB, %.0f bytes a connection\n",
                    static_cast<double>(of->resident_bytes) / (1 << 20),
                    of->resident_bytes_per_connection);
    }
    std::printf("faults      %llu%s%s\n", static_cast<unsigned long long>(generator.faults()),
                generator.faults() > 0 ? ", first: " : "", generator.first_fault().c_str());
}

void print_json(const Options& options, const Generator& generator, const ServerUsage& server) {
    std::printf(R"({"mode":"%s","connections":%zu,"size":%zu,"depth":%zu,"rate":%.1f,)",
                name_of(options.mode), options.connections, options.size, options.depth,
                options.rate);
    std::printf(R"("interrupted":%s,"seconds":%.6f,"requests":%llu,"requests_per_second":%.1f)",
                interrupted() ? "true" : "false", generator.elapsed_s(),
                static_cast<unsigned long long>(generator.latency().count()),
                requests_per_second(generator));
    for (const Quantile& quantile : quantiles) {
        std::printf(R"(,"%s_us":%.3f)", quantile.name, latency_us(generator, quantile.share));
    }
    if (auto of = figures(options, generator, server)) {
        std::printf(R"(,"cpu_ns_per_request":%.2f,"cpu_share":%.4f)", of->cpu_ns_per_request,
                    of->cpu_share);
        std::printf(R"(,"context_switches_per_request":%.6f,"resident_bytes":%llu)",
                    of->switches_per_request, static_cast<unsigned long long>(of->resident_bytes));
        std::printf(R"(,"resident_bytes_per_connection":%.1f)", of->resident_bytes_per_connection);
    }
    std::printf(R"(,"faults":%llu,"first_fault":"%s"})"
                "\n",
                static_cast<unsigned long long>(generator.faults()),
                generator.first_fault().c_str());
}

}  // namespace coir::bench
