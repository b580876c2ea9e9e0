// fiber_index.hpp: the living fibers of a Lua state by their ids.
//
// A hash table of chains through the fibers themselves. Ids are given in order, so their lowest
// bits spread them evenly. Nothing here fails: without memory to grow, the chains get longer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace coir {

class LuaFiber;

class FiberIndex {
public:
    FiberIndex() = default;
    FiberIndex(const FiberIndex&) = delete;
    FiberIndex& operator=(const FiberIndex&) = delete;

    LuaFiber* find(std::uint64_t id);  // nullptr: there is none
    void insert(LuaFiber& fiber);
    void erase(LuaFiber& fiber);

private:
    LuaFiber*& chain(std::uint64_t id) { return chains_ ? chains_[id & (size_ - 1)] : only_; }
    void grow();

    std::unique_ptr<LuaFiber*[]> chains_;
    LuaFiber* only_ = nullptr;  // the chain before the first growth
    std::size_t size_ = 1;      // chains: a power of two
    std::size_t count_ = 0;
};

}  // namespace coir
