// context.hpp: contexts on stacks of their own, by the lowest layer of Boost.Context: a switch in
// assembly. Its fiber class would unwind the stack of a context that is destroyed, which never
// happens here.
#pragma once

#include <boost/context/detail/fcontext.hpp>

namespace coir {

using boost::context::detail::jump_fcontext;
using boost::context::detail::make_fcontext;
using boost::context::detail::transfer_t;

// Goes on in the context `to`, which is given `data`. Returns, when somebody comes back to this
// one, the context that was left for it.
//
// Processors note where calls come from, and take it that functions return there. On x86-64
// jump_fcontext() ends in a jump, not in a return: called as a function it leaves a note behind,
// and every return on the stack that was entered is taken to lead one call too far: that was 30 ns
// of a switch among fibers that all wait in the same place. So it is jumped to. What is pushed for
// it is below the stack pointer, where only a function that calls no other would keep something.
// To the compiler it is a call: every register that a function may change is named.
#if defined(__x86_64__) && defined(__ELF__) && !defined(__APX_F__)
#ifdef __AVX512F__
#define COIR_AVX512_REGISTERS                                                                     \
    , "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25",   \
        "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "k0", "k1", "k2", "k3", "k4", "k5", \
        "k6", "k7"
#else
#define COIR_AVX512_REGISTERS
#endif
[[gnu::always_inline]] inline void* jump(void* to, void* data) {
    void* left;
    asm volatile(
        "leaq 1f(%%rip), %%rax\n\t"
        "pushq %%rax\n\t"
        "jmp *jump_fcontext@GOTPCREL(%%rip)\n"
        "1:"
        : "=a"(left), "+D"(to), "+S"(data)
        :
        : "rcx", "rdx", "r8", "r9", "r10", "r11", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",
          "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15",
          "memory", "cc" COIR_AVX512_REGISTERS);
    return left;
}
#undef COIR_AVX512_REGISTERS
#else
inline void* jump(void* to, void* data) { return jump_fcontext(to, data).fctx; }
#endif

}  // namespace coir
