// histogram.hpp: how often each latency was seen, from 0 to the largest 64-bit number.
//
// Every power of two is cut into 128 equal buckets, so a quantile is at most 0.8 % above the value
// that was really recorded; the maximum is exact. Recording costs a few instructions and allocates
// nothing.

#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace coir::bench {

class Histogram {
public:
    void record(std::uint64_t value) {
        ++buckets_[bucket_of(value)];
        ++count_;
        max_ = std::max(max_, value);
    }

    // The smallest value that at least `share` (0 to 1) of all values do not exceed, rounded up to
    // the end of its bucket; 0 when nothing was recorded.
    std::uint64_t quantile(double share) const {
        auto rank = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_)));
        std::uint64_t seen = 0;
        for (std::size_t i = 0; i < buckets_.size(); ++i) {
            seen += buckets_[i];
            if (seen > 0 && seen >= rank) return std::min(last_value_of(i), max_);
        }
        return max_;
    }

    std::uint64_t max() const { return max_; }
    std::uint64_t count() const { return count_; }
    void clear() { *this = Histogram(); }

private:
    static constexpr std::size_t buckets_per_octave = 128;
    static constexpr int exact_bits = 7;  // values below 2^7 have a bucket of their own
    static constexpr std::size_t octaves = 64 - exact_bits + 1;

    static std::size_t bucket_of(std::uint64_t value) {
        if (value < buckets_per_octave) return value;
        int shift = std::bit_width(value) - exact_bits - 1;
        return static_cast<std::size_t>(shift) * buckets_per_octave + (value >> shift);
    }

    static std::uint64_t last_value_of(std::size_t bucket) {
        if (bucket < buckets_per_octave) return bucket;
        std::size_t shift = bucket / buckets_per_octave - 1;
        std::uint64_t first = buckets_per_octave + bucket % buckets_per_octave;
        return (first << shift) + ((std::uint64_t{1} << shift) - 1);
    }

    std::array<std::uint64_t, octaves * buckets_per_octave> buckets_{};
    std::uint64_t count_ = 0;
    std::uint64_t max_ = 0;
};

}  // namespace coir::bench
