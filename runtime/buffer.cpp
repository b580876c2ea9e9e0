#include "runtime/buffer.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace coir {

Buffer::~Buffer() { std::free(memory_); }

Error Buffer::put_back(std::string_view bytes) {
    if (begin_ < bytes.size()) {
        if (Error error = grow(bytes.size(), 0)) return error;
    }
    begin_ -= bytes.size();
    std::copy(bytes.begin(), bytes.end(), memory_ + begin_);
    return {};
}

void Buffer::release() {
    if (memory_ == nullptr) return;
    if (capacity_ == BlockPool::block_size) {
        blocks_.give_back(memory_);
    } else {
        std::free(memory_);
    }
    memory_ = nullptr;
    capacity_ = begin_ = end_ = 0;
}

// Makes room for `front` bytes before and `back` bytes behind the contents: by moving them within
// the block when half of it or more is free, else in a block that is at least twice as large.
Error Buffer::grow(std::size_t front, std::size_t back) {
    std::size_t used = size();
    if (front + back > SIZE_MAX / 4 - used) return std::errc::not_enough_memory;
    std::size_t needed = front + used + back;
    if (needed > capacity_ || used > capacity_ / 2) {
        if (Error error = enlarge(needed)) return error;
    }
    std::memmove(memory_ + front, memory_ + begin_, used);
    begin_ = front;
    end_ = front + used;
    return {};
}

Error Buffer::enlarge(std::size_t needed) {
    std::size_t capacity = std::max({needed, capacity_ * 2, BlockPool::block_size});
    bool pooled = memory_ == nullptr && capacity == BlockPool::block_size;
    void* memory = pooled ? blocks_.take() : std::realloc(memory_, capacity);
    if (memory == nullptr) return std::errc::not_enough_memory;
    memory_ = static_cast<char*>(memory);
    capacity_ = capacity;
    return {};
}

namespace {

std::size_t find(std::string_view bytes, std::string_view wanted, std::size_t from) {
    const void* start = bytes.data() + from;
    std::size_t size = bytes.size() - from;
    const void* found = ::memmem(start, size, wanted.data(), wanted.size());
    if (found == nullptr) return std::string_view::npos;
    return static_cast<std::size_t>(static_cast<const char*>(found) - bytes.data());
}

}  // namespace

std::size_t find_any_delimiter(std::string_view bytes, std::span<const std::string_view> delimiters,
                               std::size_t from) {
    std::size_t best = std::string_view::npos;
    for (std::string_view delimiter : delimiters) {
        std::size_t overlap = std::min(delimiter.size() - 1, from);
        std::size_t place = find(bytes, delimiter, from - overlap);
        if (place == std::string_view::npos) continue;
        best = place + delimiter.size();
        bytes = bytes.substr(0, best);  // another one counts only if it ends before
    }
    return best;
}

}  // namespace coir
