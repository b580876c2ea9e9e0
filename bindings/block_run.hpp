// block_run.hpp: pages that hold blocks of one size, with nothing between them.
//
// What is known of a run stands in a table at the beginning of its chunk, where the address of a
// block leads. The block that was freed last is taken first. Blocks are cut page by page, so that a
// page is not touched before it is needed. One thread only.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <new>

#include "runtime/list.hpp"

namespace coir {

struct BlockRunTag {};

class BlockRun : public ListHook<BlockRunTag> {
public:
    static constexpr std::size_t bytes = 64 * 1024;  // the largest page there is
    static constexpr std::size_t largest_block = 2048;

    // The run that a block is part of.
    static BlockRun& of(void* block);

    // Before begin() and after end(), a run has no blocks and block_size() is 0.
    void begin(std::size_t block_size);
    void end() { block_size_ = 0; }
    std::size_t block_size() const { return block_size_; }

    // A free block, the one freed last; nullptr when there is none.
    void* take() {
        Block* block = free_;
        if (block == nullptr) [[unlikely]]
            return nullptr;
        free_ = block->next;
        __builtin_prefetch(free_, 1);  // was freed long ago, perhaps
        ++used_;
        return block;
    }

    // Returns true when there was no free block before, or no block is used any more.
    bool give_back(void* block) {
        bool was_without_free = without_free();
        free_ = new (block) Block{free_};
        --used_;
        return was_without_free || unused();
    }

    // Makes those blocks free that begin in one more page; false when there is none. Only for a run
    // without free blocks.
    bool cut();

    bool without_free() const { return free_ == nullptr; }
    bool unused() const { return used_ == 0; }

    // Asks the kernel for all pages at once, which is cheaper than a page fault for each.
    void populate();

    // Returns the memory of pages in which no block is used to the kernel.
    void return_pages();

    // The same for a run that has ended.
    void return_all();

private:
    struct Block {
        Block* next;
    };

    char* memory();
    std::size_t offset(Block* block);

    Block* free_ = nullptr;
    std::uint32_t used_ = 0;
    std::uint16_t block_size_ = 0;
    std::uint16_t uncut_ = 0;  // a bit for each page: blocks that begin there are in no list
};

struct RunChunk {
    static constexpr std::size_t bytes = 2 << 20;

    // A new one, at a multiple of its size, or nullptr when there is no memory; for munmap(2).
    static RunChunk* map();

    static RunChunk& of(void* address) {
        return *reinterpret_cast<RunChunk*>(static_cast<char*>(address) - offset(address));
    }
    // Whether no run has blocks.
    bool unused() const {
        return std::all_of(runs.begin(), runs.end(),
                           [](const BlockRun& run) { return run.block_size() == 0; });
    }

    static std::size_t offset(void* address) {
        return reinterpret_cast<std::uintptr_t>(address) % bytes;
    }

    RunChunk* next = nullptr;
    std::array<BlockRun, bytes / BlockRun::bytes> runs;  // the first's place is taken by this table
};

inline BlockRun& BlockRun::of(void* block) {
    return RunChunk::of(block).runs[RunChunk::offset(block) / bytes];
}

}  // namespace coir
