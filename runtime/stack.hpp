// stack.hpp: C stacks for fibers, each with a guard page below it.
//
// Stacks are cut from slabs of up to 64 and reserved in full, but the kernel commits a page only
// when it is touched. Whoever may need a stack later reserves it, and takes any one then. A stack
// that comes back stays warm for the next fiber, up to a bound; beyond it the pages of many are
// given back together, and a slab none of whose stacks is in use or reserved is unmapped. The pool
// knows no fibers. One thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/error.hpp"
#include "runtime/list.hpp"

namespace coir {

struct StackSlab;

struct Stack {
    char* bottom = nullptr;  // lowest usable byte; the guard page ends here
    std::size_t size = 0;    // usable bytes
    StackSlab* slab = nullptr;

    char* top() const { return bottom + size; }
    bool guards(const void* address) const;  // true when `address` lies in the guard page
};

struct FreeSlabTag;

class StackPool {
public:
    static constexpr std::size_t default_size = 512 * 1024;
    static constexpr std::size_t smallest_size = 16 * 1024;

    // Each stack takes `size` bytes of address space, guard page included, rounded up to whole
    // pages.
    explicit StackPool(std::size_t size = default_size);
    ~StackPool();  // leaves the slabs of stacks that are still in use where they are
    StackPool(const StackPool&) = delete;
    StackPool& operator=(const StackPool&) = delete;

    // Makes sure that one more stack can be allocated, until unreserve(). Error: ENOMEM when
    // address space, memory for the books or guard pages (vm.max_map_count) run out.
    Error reserve();
    void unreserve();

    // One that was reserved. Error: ENOMEM when the kernel has no memory for its guard page.
    Result<Stack> allocate();
    void release(Stack stack);

    std::size_t stack_size() const { return stride_; }
    std::size_t in_use() const { return in_use_; }
    std::size_t slabs() const { return slabs_; }

private:
    struct Warm {
        Stack stack;
        unsigned since;        // releases_ when it came back
        bool trimmed = false;  // since then
    };

    Result<Stack> cut();
    Error add_slab();
    bool guard(StackSlab& slab) const;
    void trim(Warm& warm) const;
    void cool_down(std::size_t count);
    void uncut(Stack stack);
    void unmap_surplus(StackSlab& slab);
    void unmap(StackSlab* slab);

    std::size_t stride_;
    unsigned per_slab_;
    std::size_t reserved_ = 0;
    std::size_t in_use_ = 0;
    std::size_t slabs_ = 0;
    unsigned releases_ = 0;
    std::vector<Warm> warm_;                  // its capacity is its bound, so it never allocates
    List<StackSlab, FreeSlabTag> with_free_;  // slabs that have stacks to cut
};

}  // namespace coir
