#include "bindings/memory.hpp"

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace coir {

namespace {

constexpr std::size_t worth_it = 16 << 20;

void return_free_memory() {
#ifdef __GLIBC__
    ::malloc_trim(0);
#endif
}

}  // namespace

void MemoryReturn::watch(lua_State* L) {
    allocator_ = lua_getallocf(L, &allocator_data_);
    used_ = static_cast<std::size_t>(lua_gc(L, LUA_GCCOUNT)) * 1024;
    lua_setallocf(L, allocate, this);
}

void* MemoryReturn::allocate(void* self, void* block, std::size_t old_size, std::size_t size) {
    auto& memory = *static_cast<MemoryReturn*>(self);
    void* result = memory.allocator_(memory.allocator_data_, block, old_size, size);
    if (result == nullptr && size != 0) return nullptr;
    // Without a block, old_size tells what kind of object it is for.
    memory.used_ += size - (block == nullptr ? 0 : old_size);
    if (memory.used_ > memory.most_) memory.most_ = memory.used_;
    return result;
}

void MemoryReturn::when_due() {
    if (most_ < worth_it || used_ > most_ / 2) return;
    return_free_memory();
    most_ = used_;
}

}  // namespace coir
