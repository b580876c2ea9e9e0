#include "runtime/stack.hpp"

#include <sys/mman.h>

#include <set>

#include "test/runtime/fixtures.hpp"

using namespace coir;
using namespace coir::test;

namespace {

Result<Stack> take(StackPool& pool) {
    if (Error error = pool.reserve()) return error;
    Result<Stack> stack = pool.allocate();
    if (!stack) pool.unreserve();
    return stack;
}

void give_back(StackPool& pool, Stack stack) {
    pool.release(stack);
    pool.unreserve();
}

std::vector<Stack> allocate(StackPool& pool, std::size_t count) {
    std::vector<Stack> stacks;
    while (stacks.size() < count) {
        Result<Stack> stack = take(pool);
        if (!stack) break;
        stacks.push_back(*stack);
    }
    return stacks;
}

void release(StackPool& pool, const std::vector<Stack>& stacks) {
    for (const Stack& stack : stacks) give_back(pool, stack);
}

void touch(const Stack& stack, std::size_t bytes) { std::memset(stack.top() - bytes, 1, bytes); }

// Writes one byte in a child process; true when that ended it by a signal.
bool dies_writing(char* byte) {
    int status = in_child([byte] {
        ::signal(SIGSEGV, SIG_DFL);
        *static_cast<volatile char*>(byte) = 1;
        return 0;
    });
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

}  // namespace

TEST_CASE("a stack can be written from its bottom to its top") {
    StackPool pool;
    Result<Stack> stack = take(pool);
    REQUIRE(stack);
    CHECK(stack->size == pool.stack_size() - static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)));
    CHECK(reinterpret_cast<std::uintptr_t>(stack->top()) % 16 == 0);
    touch(*stack, stack->size);
    CHECK(pool.in_use() == 1);
    give_back(pool, *stack);
    CHECK(pool.in_use() == 0);
}

TEST_CASE("the page below every stack is a guard page") {
    StackPool pool(64 * 1024);
    std::vector<Stack> stacks = allocate(pool, 66);
    for (std::size_t i : {0u, 1u, 63u, 64u, 65u}) {
        char* bottom = stacks[i].bottom;
        CHECK_FALSE(dies_writing(bottom));
        CHECK(dies_writing(bottom - 1));
        CHECK(dies_writing(bottom - ::sysconf(_SC_PAGESIZE)));
    }
    release(pool, stacks);
}

TEST_CASE("a guard page still guards when its stack is used again") {
    StackPool pool(16 * 1024);
    std::vector<Stack> stacks = allocate(pool, 1000);
    release(pool, stacks);
    stacks = allocate(pool, 1000);
    for (std::size_t i = 0; i < stacks.size(); i += 99) CHECK(dies_writing(stacks[i].bottom - 1));
    release(pool, stacks);
}

TEST_CASE("a stack knows the addresses of its guard page") {
    StackPool pool;
    Stack stack = *take(pool);
    CHECK(stack.guards(stack.bottom - 1));
    CHECK(stack.guards(stack.bottom - ::sysconf(_SC_PAGESIZE)));
    CHECK_FALSE(stack.guards(stack.bottom));
    CHECK_FALSE(stack.guards(stack.bottom - ::sysconf(_SC_PAGESIZE) - 1));
    CHECK_FALSE(stack.guards(stack.top()));
    CHECK_FALSE(Stack().guards(nullptr));
    give_back(pool, stack);
}

TEST_CASE("the size of a stack is rounded up to whole pages and to the smallest") {
    CHECK(StackPool(1).stack_size() == StackPool::smallest_size);
    CHECK(StackPool(100'001).stack_size() % static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) == 0);
    CHECK(StackPool(100'001).stack_size() > 100'001);
}

TEST_CASE("a size that no address space holds is an error and not an accident") {
    for (std::size_t size : {SIZE_MAX, SIZE_MAX / 2, SIZE_MAX / 64 + 4097, std::size_t{1} << 48}) {
        CAPTURE(size);
        StackPool pool(size);
        CHECK(take(pool).error() == std::errc::not_enough_memory);
    }
}

TEST_CASE("stacks never overlap") {
    StackPool pool(16 * 1024);
    std::vector<Stack> stacks = allocate(pool, 300);
    for (std::size_t i = 0; i < stacks.size(); i += 2) give_back(pool, stacks[i]);
    for (std::size_t i = 0; i < stacks.size(); i += 2) stacks[i] = *take(pool);
    std::set<char*> bottoms;
    for (const Stack& stack : stacks) {
        auto [place, fresh] = bottoms.insert(stack.bottom);
        CHECK(fresh);
        if (place != bottoms.begin()) CHECK(*std::prev(place) + stack.size < stack.bottom);
    }
    CHECK(pool.in_use() == 300);
    release(pool, stacks);
}

TEST_CASE("the stack that came back last is used first") {
    StackPool pool;
    Stack stack = *take(pool);
    give_back(pool, stack);
    CHECK((*take(pool)).bottom == stack.bottom);
    give_back(pool, stack);
}

TEST_CASE("what is reserved can be allocated, and costs address space only") {
    StackPool pool;
    std::size_t before = resident_bytes();
    for (int i = 0; i < 10'000; ++i) CHECK(pool.reserve() == Error());
    CHECK(pool.slabs() == 157);
    if (!instrumented()) CHECK(resident_bytes() < before + 10'000u * 256);
    Result<Stack> stack = pool.allocate();
    REQUIRE(stack);
    touch(*stack, stack->size);
    pool.release(*stack);
    for (int i = 0; i < 10'000; ++i) pool.unreserve();
    CHECK(pool.slabs() <= 2);
}

TEST_CASE("a crowd of stacks that is gone leaves few slabs behind") {
    StackPool pool(16 * 1024);
    std::vector<Stack> stacks = allocate(pool, 5000);
    CHECK(pool.slabs() == 79);
    release(pool, stacks);
    CHECK(pool.in_use() == 0);
    CHECK(pool.slabs() <= 6);
    stacks = allocate(pool, 5000);
    CHECK(stacks.size() == 5000);
    release(pool, stacks);
}

TEST_CASE("a crowd of stacks that is gone leaves little memory behind") {
    if (instrumented()) return;
    StackPool pool;
    std::size_t before = resident_bytes();
    std::vector<Stack> stacks = allocate(pool, 2000);
    for (const Stack& stack : stacks) touch(stack, 32 * 1024);
    CHECK(resident_bytes() > before + 2000u * 32 * 1024 - (1 << 20));
    release(pool, stacks);
    CHECK(resident_bytes() < before + 256u * 40 * 1024);
}

TEST_CASE("fibers that once used deep stacks leave little memory behind") {
    if (instrumented()) return;
    StackPool pool;
    std::size_t before = resident_bytes();
    std::vector<Stack> stacks = allocate(pool, 200);
    for (const Stack& stack : stacks) touch(stack, 400 * 1024);
    release(pool, stacks);
    for (int i = 0; i < 10'000; ++i) release(pool, allocate(pool, 1));
    CHECK(resident_bytes() < before + 256u * 40 * 1024);
}

TEST_CASE("running out of address space is ENOMEM, and stacks that come back are used again") {
    if (instrumented()) return;
    int status = in_child([] {
        StackPool pool;
        limit_address_space(200 << 20);
        std::vector<Stack> stacks = allocate(pool, 100'000);
        if (stacks.size() < 64 || stacks.size() > 400) return 1;
        if (take(pool).error() != std::errc::not_enough_memory) return 2;
        if (pool.in_use() != stacks.size()) return 3;
        give_back(pool, stacks.back());
        return take(pool) ? 0 : 4;
    });
    CHECK(exited_well(status));
}

TEST_CASE("where guard pages run out there is an error and never a stack without one") {
    if (instrumented()) return;
    int status = in_child([] {
        // The kernel installs no guard markers in locked memory, so mprotect(2) makes the pages.
        if (::mlockall(MCL_FUTURE | MCL_ONFAULT) < 0) return 0;
        ::signal(SIGSEGV, SIG_DFL);
        StackPool pool(16 * 1024);
        std::vector<Stack> stacks = allocate(pool, 200'000);
        if (stacks.size() == 200'000) return 0;  // vm.max_map_count is out of the ordinary
        if (take(pool).error() != std::errc::not_enough_memory) return 1;
        if (!dies_writing(stacks.back().bottom - 1)) return 2;
        release(pool, stacks);
        return pool.in_use() == 0 && take(pool) ? 0 : 3;
    });
    CHECK(exited_well(status));
}
