#include "bindings/lua_heap.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "runtime/instrument.hpp"

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace coir {

namespace {

constexpr std::size_t worth_returning = 16 << 20;
constexpr std::size_t large_heap = 16 << 20;  // which will soon use the rest of a run, too

bool is_small(std::size_t size) {
#ifdef COIR_ASAN
    return size == 0;
#else
    return size <= BlockRun::largest_block;
#endif
}

}  // namespace

// Unmaps the chunks for which `which` returns true.
template <class Which>
void LuaHeap::unmap_chunks(Which which) {
    for (RunChunk** link = &chunks_; *link != nullptr;) {
        RunChunk* chunk = *link;
        if (!which(*chunk)) {
            link = &chunk->next;
            continue;
        }
        *link = chunk->next;
        for (BlockRun& run : chunk->runs) run.unlink();
        ::munmap(chunk, RunChunk::bytes);
    }
}

LuaHeap::LuaHeap() { first_.fill(&none_); }

LuaHeap::~LuaHeap() {
    unmap_chunks([](const RunChunk&) { return true; });
}

inline void* LuaHeap::take(std::size_t size) {
    if (!is_small(size)) [[unlikely]]
        return resize_large(nullptr, 0, size);
    void* block = first_[kind_of(size)]->take();
    if (block == nullptr) [[unlikely]]
        return take_from_next_run(size);
    used_ += size;
    return block;
}

inline void LuaHeap::give_back(void* block, std::size_t size) {
    used_ -= size;
    if (!is_small(size)) [[unlikely]]
        return std::free(block);
    BlockRun& run = BlockRun::of(block);
    if (run.give_back(block)) [[unlikely]]
        settle(run);
}

void* LuaHeap::allocate(void* self, void* block, std::size_t old_size, std::size_t size) {
    LuaHeap& heap = *static_cast<LuaHeap*>(self);
    if (size == 0) {
        if (block != nullptr) heap.give_back(block, old_size);
        return nullptr;
    }
    // Without a block, old_size tells what kind of object it is for.
    return block == nullptr ? heap.take(size) : heap.resize(block, old_size, size);
}

void* LuaHeap::resize(void* block, std::size_t old_size, std::size_t size) {
    if (!is_small(old_size) && !is_small(size)) return resize_large(block, old_size, size);
    bool both_small = is_small(old_size) && is_small(size);
    bool fits = both_small && kind_of(BlockRun::of(block).block_size()) == kind_of(size);
    void* moved = fits ? block : take(size);
    // A block that is too large for its size is found all the same: its run knows.
    if (moved == nullptr && both_small && size < old_size) moved = block;
    if (moved == nullptr) return nullptr;
    if (moved == block) {
        used_ += size - old_size;
    } else {
        std::memcpy(moved, block, std::min(old_size, size));
        give_back(block, old_size);
    }
    return moved;
}

void* LuaHeap::resize_large(void* block, std::size_t old_size, std::size_t size) {
    void* moved = std::realloc(block, size);
    if (moved == nullptr) {
        return_free_memory();  // small blocks may have had the address space
        moved = std::realloc(block, size);
    }
    if (moved != nullptr) count(size - old_size);
    return moved;
}

void* LuaHeap::take_from_next_run(std::size_t size) {
    std::size_t kind = kind_of(size);
    BlockRun*& first = first_[kind];
    while (first->without_free() && !first->cut()) {
        BlockRun* next = others_[kind].empty() ? begin_run(kind) : &others_[kind].pop_front();
        if (next == nullptr) return nullptr;
        first = next;
    }
    count(size);
    return first->take();
}

// Puts a run that is not the first of its kind, or not any more, where it belongs.
void LuaHeap::settle(BlockRun& run) {
    std::size_t kind = kind_of(run.block_size());
    if (&run == first_[kind]) return;
    if (run.unused()) {
        run.unlink();
        run.end();
        unused_.push_front(run);
    } else if (!run.linked()) {
        others_[kind].push_back(run);
    }
}

BlockRun* LuaHeap::begin_run(std::size_t kind) {
    Runs& from = unused_.empty() ? untouched_ : unused_;
    if (from.empty() && !add_chunk()) return nullptr;
    BlockRun& run = from.pop_front();
    run.begin((kind + 1) * granule);
    if (used_ >= large_heap) run.populate();
    return &run;
}

bool LuaHeap::add_chunk() {
    RunChunk* chunk = RunChunk::map();
    if (chunk == nullptr) return false;
    chunk->next = chunks_;
    chunks_ = chunk;
    for (std::size_t i = 1; i < chunk->runs.size(); ++i) untouched_.push_back(chunk->runs[i]);
    return true;
}

void LuaHeap::count(std::size_t more) {
    used_ += more;
    most_ = std::max(most_, used_);
}

void LuaHeap::when_due() {
    count(0);
    if (most_ >= worth_returning && used_ <= most_ / 2) return_free_memory();
}

void LuaHeap::return_free_memory() {
    for (std::size_t kind = 0; kind < kinds; ++kind) {
        if (first_[kind] != &none_) settle(*std::exchange(first_[kind], &none_));
        others_[kind].for_each([](BlockRun& run) { run.return_pages(); });
    }
    unmap_chunks([](const RunChunk& chunk) { return chunk.unused(); });
    unused_.for_each([](BlockRun& run) { run.return_all(); });
    untouched_.take_all(unused_);
#ifdef __GLIBC__
    ::malloc_trim(0);
#endif
    most_ = used_;
}

}  // namespace coir
