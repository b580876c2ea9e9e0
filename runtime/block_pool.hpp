// block_pool.hpp: memory blocks of one size that are taken and given back all the time.
//
// A connection owns a read buffer only while something is in it, so every request takes a block and
// gives it back. The pool keeps a few, the last one first: it is still in the processor's cache.
// One thread only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdlib>

namespace coir {

class BlockPool {
public:
    // A little more than the 16 KiB that many programs send at a time: a read that does not fill
    // the block has emptied the socket, and spares another one that would only say so.
    static constexpr std::size_t block_size = 17 * 1024;

    BlockPool() = default;
    ~BlockPool() {
        while (kept_ > 0) std::free(blocks_[--kept_]);
    }
    BlockPool(const BlockPool&) = delete;
    BlockPool& operator=(const BlockPool&) = delete;

    // A block that free(3) takes too; nullptr when there is no memory.
    char* take() {
        return static_cast<char*>(kept_ > 0 ? blocks_[--kept_] : std::malloc(block_size));
    }

    std::size_t kept() const { return kept_; }  // blocks that nobody holds

    void give_back(char* block) {
        if (kept_ < blocks_.size()) {
            blocks_[kept_++] = block;
        } else {
            std::free(block);
        }
    }

private:
    std::array<void*, 16> blocks_;
    std::size_t kept_ = 0;
};

}  // namespace coir
