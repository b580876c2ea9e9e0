// connection.hpp: one client connection of the load generator.
//
// It sends messages, checks every byte that comes back and takes the time of each answer. It knows
// when a message is answered, not what happens next: that is the generator's. A function that
// returns false has closed the connection and left the reason in `fault()`.

#pragma once

#include "bench/load/histogram.hpp"
#include "bench/load/messages.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <netinet/in.h>

namespace coir::bench {

class Connection {
public:
    // At most `depth` messages are under way at once. `messages` must outlive the connection.
    Connection(const Messages& messages, std::size_t index, std::size_t depth)
        : messages_(messages), index_(index), place_(messages.first(index)), sent_at_(depth) {}
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection() { close(); }

    // Starts to connect at `now` and registers for every event, edge-triggered, with this object's
    // address.
    [[nodiscard]] bool open(int poller, const sockaddr_in& source, const sockaddr_in& server,
                            std::uint64_t now);

    // To be called at the first event, which may be an error. Afterwards the connection stands.
    [[nodiscard]] bool finish_opening(bool hung_up);

    // Hands over `count` more messages, whose time begins at `now`, and sends what fits.
    [[nodiscard]] bool send(std::size_t count, std::uint64_t now);

    // Sends what could not be sent before.
    [[nodiscard]] bool flush();

    // Reads and checks what has arrived. After a short read nothing is left, unless the server has
    // hung up.
    [[nodiscard]] bool receive(std::span<char> buffer, bool hung_up);

    // Records the latency of each message that `receive` completed. Returns their number.
    std::size_t take_answers(Histogram& latency, std::uint64_t now);

    void close();

    // Closes the connection and remembers why. Returns false.
    bool fail(std::string_view reason);

    bool is_open() const { return fd_ >= 0; }
    bool opening() const { return opening_; }
    std::size_t index() const { return index_; }
    std::size_t under_way() const { return started_ - answered_; }  // messages
    bool busy() const { return opening_ || unanswered_ > 0; }
    std::uint64_t opened_at() const { return opened_at_; }
    const std::string& fault() const { return fault_; }

private:
    [[nodiscard]] bool check(std::span<const char> answer);
    bool fail_at(std::size_t wrong, char seen);

    const Messages& messages_;
    std::size_t index_;
    int fd_ = -1;
    bool opening_ = false;
    std::uint64_t opened_at_ = 0;
    std::size_t place_;                   // of the next byte to be answered, in the row of messages
    std::size_t unanswered_ = 0;          // bytes from there on
    std::size_t unsent_ = 0;              // the last of these
    std::uint64_t received_ = 0;          // bytes since the connection was made
    std::uint64_t answered_ = 0;          // messages whose time was taken
    std::uint64_t started_ = 0;           // messages handed over
    std::vector<std::uint64_t> sent_at_;  // a ring: message n at n modulo depth
    std::string fault_;
};

}  // namespace coir::bench
