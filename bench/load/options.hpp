// options.hpp: what the load generator was asked to do.

#pragma once

#include <cstddef>
#include <cstdint>

#include <sys/types.h>

namespace coir::bench {

enum class Mode {
    echo,   // connections that stay, messages of random bytes
    line,   // the same with lines of printable characters
    churn,  // connect, one message, close, again
    idle,   // one message on each connection, then silence
};

struct Options {
    Mode mode = Mode::echo;
    std::uint16_t port = 0;
    std::size_t connections = 50;
    std::size_t size = 64;  // of a message, in bytes
    std::size_t depth = 1;  // messages under way on a connection
    double rate = 0;  // requests per second on all connections together; 0: as fast as answers come
    std::uint64_t requests = 0;  // at most so many in the measured part; 0: no limit
    double duration_s = 3;
    double warmup_s = 1;
    double patience_s = 5;  // without any event before a busy connection is lost
    pid_t server_pid = 0;   // 0: the server is not watched
    bool json = false;
    bool step = false;  // one measured part for each line on standard input
};

// Ends the process with status 2 and a message when the arguments are wrong, 0 after --help.
Options parse_options(int argc, char** argv);

const char* name_of(Mode mode);

}  // namespace coir::bench
