#include "runtime/stack.hpp"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <new>
#include <span>

#include "runtime/instrument.hpp"

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif
#ifndef MAP_STACK
#define MAP_STACK 0
#endif

namespace coir {

namespace {

constexpr unsigned most_per_slab = 64;
constexpr std::size_t slab_bytes = 32 << 20;
constexpr std::size_t warm_limit = 256;
constexpr std::size_t batch = 64;              // of warm stacks that are given back together
constexpr std::size_t kept_bytes = 32 * 1024;  // what a warm stack may keep committed
constexpr unsigned trim_every = 16;            // releases for each look at another warm stack

std::size_t page_size() {
    static const std::size_t size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    return size;
}

// Makes one page inaccessible by a guard marker (Linux 6.13): it lives in the page table and splits
// no mapping, so a process can have a million of them. False where there are none, as in locked
// memory.
bool mark_guard([[maybe_unused]] char* page) {
#ifdef __linux__
    constexpr int guard_install = 102;  // MADV_GUARD_INSTALL, which the C library may not know yet
    return ::madvise(page, page_size(), guard_install) == 0;
#else
    return false;
#endif
}

// The same by mprotect(2), which costs two mappings each, of 65,530.
bool protect_guard(char* page) { return ::mprotect(page, page_size(), PROT_NONE) == 0; }

// Returns the pages of some stacks to the kernel: with one call where it can do that (Linux 6.13).
void return_pages(std::span<const iovec> stacks) {
#ifdef SYS_process_madvise
    constexpr int self = -10000;  // PIDFD_SELF, which the C library may not know yet
    static std::atomic<bool> refused = under_valgrind();
    std::size_t total = 0;
    for (const iovec& stack : stacks) total += stack.iov_len;
    if (!refused) {
        long done =
            ::syscall(SYS_process_madvise, self, stacks.data(), stacks.size(), MADV_DONTNEED, 0);
        if (done == static_cast<long>(total)) return;
        refused = true;
    }
#endif
    for (const iovec& stack : stacks) ::madvise(stack.iov_base, stack.iov_len, MADV_DONTNEED);
}

}  // namespace

struct StackSlab : ListHook<FreeSlabTag> {
    char* memory = nullptr;
    std::uint64_t all = 0;      // a bit for each stack
    std::uint64_t free = 0;     // bit i: stack i can be cut
    std::uint64_t guarded = 0;  // bit i: stack i has its guard page
};

bool Stack::guards(const void* address) const {
    const char* byte = static_cast<const char*>(address);
    return bottom != nullptr && byte >= bottom - page_size() && byte < bottom;
}

StackPool::StackPool(std::size_t size) {
    std::size_t page = page_size();
    // The largest stack fits no address space, so allocate() fails; nothing overflows.
    size = std::clamp(size, smallest_size, SIZE_MAX / 2);
    stride_ = (size + page - 1) / page * page;
    per_slab_ =
        static_cast<unsigned>(std::clamp<std::size_t>(slab_bytes / stride_, 1, most_per_slab));
    warm_.reserve(warm_limit);
}

StackPool::~StackPool() {
    while (!warm_.empty()) cool_down(std::min(batch, warm_.size()));
    with_free_.for_each([this](StackSlab& slab) {
        if (slab.free == slab.all) unmap(&slab);
    });
}

Error StackPool::reserve() {
    if (reserved_ == slabs_ * per_slab_) {
        if (Error error = add_slab()) return error;
    }
    ++reserved_;
    return {};
}

// New slabs stand last and are cut last, so surplus ones are found there.
void StackPool::unreserve() {
    --reserved_;
    if (!with_free_.empty()) unmap_surplus(with_free_.back());
}

Result<Stack> StackPool::allocate() {
    if (warm_.empty()) return cut();
    Stack stack = warm_.back().stack;
    warm_.pop_back();
    ++in_use_;
    return stack;
}

void StackPool::release(Stack stack) {
    --in_use_;
    unpoison_stack(stack.bottom, stack.size);
    if (warm_.size() == warm_limit) cool_down(batch);
    warm_.push_back({stack, releases_});
    // The one that came back last is used next; the others, which may rest for long, are looked at
    // in turn.
    std::size_t resting = warm_.size() - 1;
    if (++releases_ % trim_every == 0 && resting > 0) {
        trim(warm_[releases_ / trim_every % resting]);
    }
}

// A stack that is in use again and again keeps what it has touched.
void StackPool::trim(Warm& warm) const {
    bool rests = releases_ - warm.since >= warm_limit;
    if (!rests || warm.trimmed || warm.stack.size <= kept_bytes) return;
    ::madvise(warm.stack.bottom, warm.stack.size - kept_bytes, MADV_DONTNEED);
    warm.trimmed = true;
}

Result<Stack> StackPool::cut() {
    StackSlab& slab = with_free_.front();
    unsigned index = static_cast<unsigned>(std::countr_zero(slab.free));
    std::uint64_t bit = std::uint64_t{1} << index;
    char* memory = slab.memory + index * stride_;
    if ((slab.guarded & bit) == 0) {
        if (!mark_guard(memory) && !protect_guard(memory)) return std::errc::not_enough_memory;
        slab.guarded |= bit;
    }
    slab.free &= ~bit;
    if (slab.free == 0) slab.unlink();
    ++in_use_;
    return Stack{memory + page_size(), stride_ - page_size(), &slab};
}

Error StackPool::add_slab() {
    StackSlab* slab = new (std::nothrow) StackSlab;
    if (slab == nullptr) return std::errc::not_enough_memory;
    std::size_t size = stride_ * per_slab_;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK;
    void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (memory == MAP_FAILED) {
        delete slab;
        return std::errc::not_enough_memory;
    }
#ifdef MADV_NOHUGEPAGE
    ::madvise(memory, size, MADV_NOHUGEPAGE);  // a huge page would commit what no fiber has touched
#endif
    slab->memory = static_cast<char*>(memory);
    slab->all = slab->free = ~std::uint64_t{0} >> (most_per_slab - per_slab_);
    with_free_.push_back(*slab);
    ++slabs_;
    if (guard(*slab)) return {};
    unmap(slab);
    return std::errc::not_enough_memory;
}

// Markers are made when a stack is first used. Pages that mprotect(2) makes may run out: then it is
// now.
bool StackPool::guard(StackSlab& slab) const {
    slab.guarded = 1;
    if (mark_guard(slab.memory)) return true;
    slab.guarded = slab.all;
    for (unsigned i = 0; i < per_slab_; ++i) {
        if (!protect_guard(slab.memory + i * stride_)) return false;
    }
    return true;
}

// Those that came back first; at most `batch`.
void StackPool::cool_down(std::size_t count) {
    std::array<iovec, batch> stacks;
    for (std::size_t i = 0; i < count; ++i) {
        stacks[i] = {warm_[i].stack.bottom, warm_[i].stack.size};
    }
    return_pages({stacks.data(), count});
    for (std::size_t i = 0; i < count; ++i) uncut(warm_[i].stack);
    warm_.erase(warm_.begin(), warm_.begin() + static_cast<std::ptrdiff_t>(count));
}

void StackPool::uncut(Stack stack) {
    StackSlab* slab = stack.slab;
    auto index = static_cast<std::size_t>(stack.bottom - page_size() - slab->memory) / stride_;
    slab->free |= std::uint64_t{1} << index;
    slab->unlink();
    with_free_.push_front(*slab);
    unmap_surplus(*slab);
}

// Unmaps the slab when none of it is in use and the others do for what is reserved and a few
// more.
void StackPool::unmap_surplus(StackSlab& slab) {
    std::size_t wanted = reserved_ + (per_slab_ + 1) / 2;
    if (slab.free == slab.all && wanted <= (slabs_ - 1) * per_slab_) unmap(&slab);
}

void StackPool::unmap(StackSlab* slab) {
    slab->unlink();
    ::munmap(slab->memory, stride_ * per_slab_);
    delete slab;
    --slabs_;
}

}  // namespace coir
