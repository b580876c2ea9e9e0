// generator.hpp: all client connections of a run, driven by one epoll loop on one thread.
//
// `connect_all` makes the connections that stay. `run` begins and ends in silence: it starts every
// connection, keeps each busy until its time is over, and waits for the last answer. So the
// requests that it counts are exactly those that the server has worked for meanwhile.
//
// At a fixed rate every request has a moment at which it is due, on the connections in turn. When
// its connection is not free it is sent later, but its latency counts from the moment: a server
// that stalls is charged for every request that it kept waiting (no coordinated omission).

#pragma once

#include "bench/load/connection.hpp"
#include "bench/load/histogram.hpp"
#include "bench/load/messages.hpp"
#include "bench/load/options.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

namespace coir::bench {

class Generator {
public:
    explicit Generator(const Options& options);
    Generator(const Generator&) = delete;
    Generator& operator=(const Generator&) = delete;
    ~Generator();

    // Makes the connections, a few at a time. Those that fail are counted as faults.
    void connect_all();

    // Requests and answers for that long (0: one window on each connection), until interrupted.
    void run(double seconds);

    // Only listens for that long, until interrupted. A connection that is closed then is a fault.
    void hold(double seconds);

    // Of the last `run` or `hold`: one latency for each answered request, and the time it took, to
    // the last answer.
    const Histogram& latency() const { return latency_; }
    double elapsed_s() const { return static_cast<double>(ended_ - started_) / 1e9; }

    // Of the whole life of the generator.
    std::uint64_t faults() const { return faults_; }
    const std::string& first_fault() const { return first_fault_; }

private:
    bool open(Connection& connection, std::uint64_t now);
    void start(Connection& connection);
    void wait_until_busy_is(std::size_t most);
    bool turn(int timeout_ms);
    void handle(Connection& connection, std::uint32_t events);
    void opened(Connection& connection, bool hung_up);
    void answered(Connection& connection, bool hung_up);
    void keep_schedule();
    void catch_up(Connection& connection);
    std::uint64_t due(std::uint64_t request) const;
    std::size_t allow(std::size_t count);
    void go_on(Connection& connection, std::size_t answers, std::uint64_t now);
    void lose(Connection& connection);
    void give_up();
    bool running(std::uint64_t now) const;

    // What a connection has to do at a fixed rate, in requests of its own.
    struct Schedule {
        std::uint64_t due = 0;  // so far
        std::uint64_t sent = 0;
    };

    const Options& options_;
    Messages messages_;
    std::vector<char> buffer_;
    std::deque<Connection> connections_;
    std::vector<Schedule> schedules_;  // by connection
    int poller_;
    std::size_t opened_ = 0;     // connections ever begun
    std::size_t busy_ = 0;       // connections that are being made or have a request under way
    std::uint64_t allowed_ = 0;  // requests that may still be sent
    std::uint64_t started_ = 0;
    std::uint64_t end_ = 0;    // when no more requests are to be sent
    std::uint64_t ended_ = 0;  // when the last answer came
    Histogram latency_;
    std::uint64_t faults_ = 0;
    std::string first_fault_;
};

// From the first SIGINT on, `run` and `hold` end early. The second ends the process.
void stop_at_interrupt();
bool interrupted();

}  // namespace coir::bench
