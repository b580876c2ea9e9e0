#include "bindings/fiber_index.hpp"

#include <new>
#include <utility>

#include "bindings/lua_fiber.hpp"

namespace coir {

namespace {

void push(LuaFiber*& chain, LuaFiber& fiber) {
    fiber.next_in_chain = chain;
    chain = &fiber;
}

}  // namespace

LuaFiber* FiberIndex::find(std::uint64_t id) {
    LuaFiber* fiber = chain(id);
    while (fiber != nullptr && fiber->id() != id) fiber = fiber->next_in_chain;
    return fiber;
}

void FiberIndex::insert(LuaFiber& fiber) {
    if (++count_ > size_) grow();
    push(chain(fiber.id()), fiber);
}

void FiberIndex::erase(LuaFiber& fiber) {
    LuaFiber** place = &chain(fiber.id());
    while (*place != &fiber) place = &(*place)->next_in_chain;
    *place = fiber.next_in_chain;
    --count_;
}

void FiberIndex::grow() {
    std::size_t size = size_ * 4;
    std::unique_ptr<LuaFiber*[]> chains(new (std::nothrow) LuaFiber* [size] {});
    if (!chains) return;
    for (std::size_t i = 0; i < size_; ++i) {
        LuaFiber* fiber = chain(i);
        while (fiber != nullptr) {
            LuaFiber* next = fiber->next_in_chain;
            push(chains[fiber->id() & (size - 1)], *fiber);
            fiber = next;
        }
    }
    chains_ = std::move(chains);
    size_ = size;
}

}  // namespace coir
