#include "runtime/block_pool.hpp"

#include <set>

#include "test/runtime/fixtures.hpp"

using namespace coir;
using namespace coir::test;

TEST_CASE("the block that came back last is taken first") {
    BlockPool pool;
    char* first = pool.take();
    char* second = pool.take();
    CHECK(first != second);
    pool.give_back(first);
    pool.give_back(second);
    CHECK(pool.take() == second);
    CHECK(pool.take() == first);
    std::free(first);  // a block belongs to malloc like any other
    pool.give_back(second);
}

TEST_CASE("a pool keeps a few blocks and gives the rest back") {
    if (instrumented()) return;
    BlockPool pool;
    std::size_t before = allocated_bytes();
    std::set<char*> blocks;
    for (int i = 0; i < 1000; ++i) {
        char* block = pool.take();
        block[0] = block[BlockPool::block_size - 1] = 1;
        blocks.insert(block);
    }
    CHECK(blocks.size() == 1000);
    for (char* block : blocks) pool.give_back(block);
    blocks.clear();
    CHECK(allocated_bytes() < before + 32 * BlockPool::block_size);
}
