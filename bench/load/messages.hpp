// messages.hpp: the bytes that the load generator sends, and that it expects back.
//
// One long row of different pseudo-random messages, repeated for ever; each connection starts at a
// place of its own. An answer that belongs to another connection or to another request differs, so
// comparing with this row finds it. As lines, messages are printable, with a newline at their end.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace coir::bench {

class Messages {
public:
    // `depth` is the largest number of messages that a caller looks at in one piece.
    Messages(std::size_t size, std::size_t depth, bool lines)
        : size_(size),
          count_(std::max<std::size_t>(row_size / size, 4)),
          row_((count_ + depth) * size) {
        std::uint64_t state = 0x9E3779B97F4A7C15;
        for (std::size_t i = 0; i < row_.size(); ++i) {
            row_[i] = i < period() ? next_byte(state, lines) : row_[i - period()];
            if (lines && i % size == size - 1) row_[i] = '\n';
        }
    }

    std::size_t size() const { return size_; }

    // Where the first message of the connection number `index` begins.
    std::size_t first(std::size_t index) const { return index * 2'654'435'761 % count_ * size_; }

    // The place `n` bytes after `place`.
    std::size_t after(std::size_t place, std::size_t n) const { return (place + n) % period(); }

    // The bytes from `place` on: `depth` messages of them lie in one piece.
    const char* at(std::size_t place) const { return row_.data() + place; }

private:
    static constexpr std::size_t row_size = 256 * 1024;

    static char next_byte(std::uint64_t& state, bool printable) {  // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        auto byte = static_cast<char>(state >> 56);
        return printable ? static_cast<char>((byte & 0x3F) + ' ') : byte;
    }

    std::size_t period() const { return count_ * size_; }

    std::size_t size_;
    std::size_t count_;
    std::vector<char> row_;
};

}  // namespace coir::bench
