// buffer.hpp: bytes that were received and not yet consumed, or written and not yet sent.
//
// One block of memory that grows by doubling; bytes enter at the back and leave at the front, and
// an empty buffer can give its block back. Views are valid until the next call that changes the
// buffer.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>

#include "runtime/block_pool.hpp"
#include "runtime/error.hpp"

namespace coir {

class Buffer {
public:
    // The first block comes from `blocks`, which must outlive the buffer.
    explicit Buffer(BlockPool& blocks) : blocks_(blocks) {}
    ~Buffer();
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;

    bool empty() const { return begin_ == end_; }
    std::size_t size() const { return end_ - begin_; }
    std::string_view view() const { return {memory_ + begin_, size()}; }

    // Room for at least `n` bytes behind what is there. Error: ENOMEM; nothing has changed then.
    Result<std::span<char>> reserve(std::size_t n) {
        if (n > capacity_ - end_) {
            bool first = memory_ == nullptr && n <= BlockPool::block_size;
            if (Error error = first ? take_block() : grow(0, n)) return error;
        }
        return std::span<char>(memory_ + end_, capacity_ - end_);
    }
    void commit(std::size_t n) { end_ += n; }  // `n` bytes of the room have been filled

    // `n` is at most size().
    void consume(std::size_t n) {
        assert(n <= size());
        begin_ += n;
        if (begin_ == end_) begin_ = end_ = 0;
    }
    Error append(std::string_view bytes) {
        Result<std::span<char>> room = reserve(bytes.size());
        if (!room) return room.error();
        bytes.copy(room->data(), bytes.size());
        commit(bytes.size());
        return {};
    }
    Error put_back(std::string_view bytes);  // in front of what is there

    // Gives the memory back, with what is in it.
    void release();
    // Gives the memory back if nothing is in it.
    void release_if_empty() {
        if (empty() && memory_ != nullptr) release();
    }

private:
    Error take_block() {
        memory_ = blocks_.take();
        capacity_ = memory_ == nullptr ? 0 : BlockPool::block_size;
        return memory_ == nullptr ? Error(ENOMEM) : Error();
    }
    Error grow(std::size_t front, std::size_t back);
    Error enlarge(std::size_t needed);

    BlockPool& blocks_;
    char* memory_ = nullptr;
    std::size_t capacity_ = 0;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

// Where the first of several delimiters ends: looks for the one that ends first.
//
// `from` bytes of `bytes` have been searched before for the same delimiters and are not looked at
// again (but for the few in which one may have begun). Returns the offset of its end, or npos.
std::size_t find_any_delimiter(std::string_view bytes, std::span<const std::string_view> delimiters,
                               std::size_t from);
// The same, quick for a single byte.
inline std::size_t find_delimiter(std::string_view bytes,
                                  std::span<const std::string_view> delimiters, std::size_t from) {
    bool usual = delimiters.size() == 1 && delimiters.front().size() == 1;
    if (!usual) return find_any_delimiter(bytes, delimiters, from);
    const void* found =
        std::memchr(bytes.data() + from, delimiters.front().front(), bytes.size() - from);
    if (found == nullptr) return std::string_view::npos;
    return static_cast<std::size_t>(static_cast<const char*>(found) - bytes.data()) + 1;
}

}  // namespace coir
