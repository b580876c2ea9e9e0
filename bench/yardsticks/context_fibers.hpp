// context_fibers.hpp: fibers on bare Boost.Context, as small as they can be, for the yardsticks.
//
// A fiber that waits switches straight to the next ready one, first in first out. The main stack is
// a fiber, too: it is the one that asks the kernel when it is its turn. Stacks of ended fibers are
// used again, the warmest first. No guard pages, no checks, no errors, one thread: what remains is
// what any runtime on Boost.Context has to do.

#pragma once

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <utility>
#include <vector>

#include <boost/context/detail/fcontext.hpp>
#include <sys/mman.h>

namespace coir::bench {

struct Fiber {
    boost::context::detail::fcontext_t context = nullptr;
    Fiber* next = nullptr;  // in the queue it stands in
    Fiber* joiner = nullptr;
    bool ended = false;
    std::function<void()> body;
    char* stack = nullptr;
};

class FiberQueue {
public:
    bool empty() const { return first_ == nullptr; }

    void push(Fiber& fiber) {
        fiber.next = nullptr;
        (empty() ? first_ : last_->next) = &fiber;
        last_ = &fiber;
    }

    Fiber& pop() {
        Fiber& fiber = *first_;
        first_ = fiber.next;
        return fiber;
    }

private:
    Fiber* first_ = nullptr;
    Fiber* last_ = nullptr;
};

inline constexpr std::size_t stack_size = 64 * 1024;
inline constexpr std::size_t stacks_at_once = 256;

inline Fiber main_fiber;
inline Fiber* running = &main_fiber;
inline FiberQueue ready;
inline std::vector<char*> free_stacks;

inline char* take_stack() {
    if (free_stacks.empty()) {
        void* slab = ::mmap(nullptr, stacks_at_once * stack_size, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (slab == MAP_FAILED) std::perror("mmap"), std::exit(1);
        ::madvise(slab, stacks_at_once * stack_size, MADV_NOHUGEPAGE);
        for (std::size_t i = stacks_at_once; i-- > 0;) {
            free_stacks.push_back(static_cast<char*>(slab) + i * stack_size);
        }
    }
    char* stack = free_stacks.back();
    free_stacks.pop_back();
    return stack;
}

// Keeps the context of the fiber that was left, or its stack when it has ended.
inline void left(boost::context::detail::transfer_t from) {
    Fiber& fiber = *static_cast<Fiber*>(from.data);
    fiber.context = from.fctx;
    if (!fiber.ended) return;
    free_stacks.push_back(fiber.stack);
    fiber.stack = nullptr;
}

// Leaves the running fiber, which whoever wants to wake it must know, for the next ready one.
inline void park() {
    Fiber& self = *running;
    running = &ready.pop();
    left(boost::context::detail::jump_fcontext(running->context, &self));
}

inline void yield() {
    if (ready.empty()) return;
    ready.push(*running);
    park();
}

inline void run_body(boost::context::detail::transfer_t from) {
    left(from);
    running->body();
    running->ended = true;
    if (running->joiner != nullptr) ready.push(*running->joiner);
    park();
}

// The fiber's object is the caller's, and must live until it has ended.
inline void spawn(Fiber& fiber, std::function<void()> body) {
    fiber.body = std::move(body);
    fiber.ended = false;
    fiber.joiner = nullptr;
    fiber.stack = take_stack();
    fiber.context =
        boost::context::detail::make_fcontext(fiber.stack + stack_size, stack_size, run_body);
    ready.push(fiber);
}

inline void join(Fiber& fiber) {
    if (fiber.ended) return;
    fiber.joiner = running;
    park();
}

// Lets the others run until all are parked or have ended. Only for the main stack.
inline void run_ready() {
    while (!ready.empty()) yield();
}

}  // namespace coir::bench
