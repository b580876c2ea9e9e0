#include "bindings/block_run.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>

namespace coir {

namespace {

constexpr std::size_t most_pages = 16;  // one bit for each

std::size_t page_size() {
    static const std::size_t size =
        std::max(static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)), BlockRun::bytes / most_pages);
    return size;
}

}  // namespace

void BlockRun::begin(std::size_t block_size) {
    free_ = nullptr;
    used_ = 0;
    block_size_ = static_cast<std::uint16_t>(block_size);
    uncut_ = static_cast<std::uint16_t>((1u << bytes / page_size()) - 1);
}

bool BlockRun::cut() {
    if (uncut_ == 0) return false;
    auto page = static_cast<std::size_t>(std::countr_zero(uncut_));
    uncut_ = static_cast<std::uint16_t>(uncut_ & (uncut_ - 1));
    std::size_t first = (page * page_size() + block_size_ - 1) / block_size_;
    std::size_t end = std::min((page + 1) * page_size(), bytes - block_size_ + 1);
    Block** last = &free_;
    for (std::size_t at = first * block_size_; at < end; at += block_size_) {
        *last = new (memory() + at) Block{nullptr};
        last = &(*last)->next;
    }
    return true;
}

void BlockRun::return_pages() {
    std::array<std::size_t, most_pages> free_bytes{};
    free_bytes[bytes / page_size() - 1] = bytes % block_size_;  // behind the last block
    for (Block* block = free_; block != nullptr; block = block->next) {
        std::size_t page = offset(block) / page_size(), end = offset(block) + block_size_;
        std::size_t beyond = end - std::min(end, (page + 1) * page_size());
        free_bytes[page] += block_size_ - beyond;
        if (beyond > 0) free_bytes[page + 1] += beyond;
    }
    unsigned returned = 0;
    for (std::size_t page = 0; page < most_pages; ++page) {
        if (free_bytes[page] == page_size()) returned |= 1u << page;
    }
    Block** last = &free_;
    for (Block* block = free_; block != nullptr; block = block->next) {
        if ((returned >> offset(block) / page_size() & 1) != 0) continue;
        *last = block;
        last = &block->next;
    }
    *last = nullptr;
    uncut_ = static_cast<std::uint16_t>(uncut_ | returned);
    for (; returned != 0; returned &= returned - 1) {
        std::size_t page = static_cast<std::size_t>(std::countr_zero(returned));
        ::madvise(memory() + page * page_size(), page_size(), MADV_DONTNEED);
    }
}

void BlockRun::populate() {
#ifdef MADV_POPULATE_WRITE
    ::madvise(memory(), bytes, MADV_POPULATE_WRITE);  // Linux 5.14; without it they come one by one
#endif
}

void BlockRun::return_all() { ::madvise(memory(), bytes, MADV_DONTNEED); }

char* BlockRun::memory() {
    RunChunk& chunk = RunChunk::of(this);
    return reinterpret_cast<char*>(&chunk) + (this - chunk.runs.data()) * bytes;
}

std::size_t BlockRun::offset(Block* block) {
    return static_cast<std::size_t>(reinterpret_cast<char*>(block) - memory());
}

RunChunk* RunChunk::map() {
    static_assert(sizeof(RunChunk) <= BlockRun::bytes);
    void* mapped =
        ::mmap(nullptr, 2 * bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) return nullptr;
    char* begin = static_cast<char*>(mapped);
    std::size_t before = (bytes - offset(begin)) % bytes;
    if (before > 0) ::munmap(begin, before);
    ::munmap(begin + before + bytes, bytes - before);
#ifdef MADV_NOHUGEPAGE
    ::madvise(begin + before, bytes, MADV_NOHUGEPAGE);  // it would be there at the first touch
#endif
    return new (begin + before) RunChunk;
}

}  // namespace coir
