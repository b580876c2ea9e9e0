// memory.hpp: gives back to the kernel what Lua has freed.
//
// The C library keeps freed memory as long as anything above it is in use. After a crowd of fibers
// that would be most of what they had taken.
#pragma once

#include <lua.hpp>

#include <cstddef>

namespace coir {

class MemoryReturn {
public:
    // Counts L's allocations from now on. Must live as long as L.
    void watch(lua_State* L);

    // Returns free memory to the kernel, if Lua has freed half of what it used at the most. Cheap
    // otherwise: for every turn of the dispatcher.
    void when_due();

private:
    static void* allocate(void* self, void* block, std::size_t old_size, std::size_t size);

    lua_Alloc allocator_ = nullptr;  // Lua's own
    void* allocator_data_ = nullptr;
    std::size_t used_ = 0;
    std::size_t most_ = 0;  // since the last return
};

}  // namespace coir
