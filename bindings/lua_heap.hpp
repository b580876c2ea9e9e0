// lua_heap.hpp: the memory of a Lua state.
//
// Lua takes and frees small blocks all the time, and says the size of what it frees. So they need
// no headers: they come from runs of blocks of one size. Larger blocks are malloc's; all are under
// AddressSanitizer, which finds errors then. One thread only.
#pragma once

#include <array>
#include <cstddef>

#include "bindings/block_run.hpp"

namespace coir {

class LuaHeap {
public:
    LuaHeap();
    ~LuaHeap();  // frees all small blocks
    LuaHeap(const LuaHeap&) = delete;
    LuaHeap& operator=(const LuaHeap&) = delete;

    // The allocator to make the state with: a lua_Alloc whose first argument is the heap. Without
    // memory it returns nullptr, also when a large block is to become a small one.
    static void* allocate(void* heap, void* block, std::size_t old_size, std::size_t size);

    // Returns free memory to the kernel, that of malloc, too, if Lua has freed half of what it used
    // at the most. Cheap otherwise: for every turn of the dispatcher.
    void when_due();

    std::size_t used() const { return used_; }  // bytes of all blocks

private:
    using Runs = List<BlockRun, BlockRunTag>;
    static constexpr std::size_t granule = 16;
    static constexpr std::size_t kinds = BlockRun::largest_block / granule;
    static std::size_t kind_of(std::size_t size) { return (size - 1) / granule; }

    // What is called all the time is inlined, without the rest.
    void* take(std::size_t size);
    void give_back(void* block, std::size_t size);
    [[gnu::noinline]] void* resize(void* block, std::size_t old_size, std::size_t size);
    [[gnu::noinline]] void* resize_large(void* block, std::size_t old_size, std::size_t size);
    [[gnu::noinline]] void* take_from_next_run(std::size_t size);
    [[gnu::noinline]] void settle(BlockRun& run);

    BlockRun* begin_run(std::size_t kind);
    bool add_chunk();
    void count(std::size_t more);
    void return_free_memory();
    template <class Which>
    void unmap_chunks(Which which);

    BlockRun none_;                       // which has no blocks
    std::array<BlockRun*, kinds> first_;  // where blocks of each kind are taken
    std::array<Runs, kinds> others_;      // the other runs that may have free blocks
    Runs unused_;
    Runs untouched_;  // unused, too, without memory
    RunChunk* chunks_ = nullptr;
    std::size_t used_ = 0;
    std::size_t most_ = 0;  // that it was seen to be since free memory was returned
};

}  // namespace coir
