// report.hpp: the outcome of a run, and its two forms on standard output.

#pragma once

#include "bench/load/generator.hpp"
#include "bench/load/options.hpp"
#include "bench/load/process_usage.hpp"

#include <optional>

namespace coir::bench {

// What the server had used at three moments. Nothing is known about a server that was not named or
// is no longer there.
struct ServerUsage {
    std::optional<ProcessUsage> at_first;  // before the first connection
    std::optional<ProcessUsage> before;    // before and after the measured part
    std::optional<ProcessUsage> after;
};

void print_text(const Options& options, const Generator& generator, const ServerUsage& server);
void print_json(const Options& options, const Generator& generator, const ServerUsage& server);

}  // namespace coir::bench
