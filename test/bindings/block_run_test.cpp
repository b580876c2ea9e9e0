#include "bindings/block_run.hpp"

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "test/runtime/process.hpp"

using namespace coir;
using namespace coir::test;

namespace {

class Chunk {
public:
    ~Chunk() { ::munmap(chunk_, RunChunk::bytes); }
    BlockRun& run(std::size_t index) { return chunk_->runs[index]; }

private:
    RunChunk* chunk_ = RunChunk::map();
};

std::vector<char*> take_all(BlockRun& run) {
    std::vector<char*> blocks;
    for (;;) {
        void* block = run.take();
        if (block != nullptr) {
            blocks.push_back(static_cast<char*>(block));
        } else if (!run.cut()) {
            return blocks;
        }
    }
}

// How many of the run's pages are in memory.
int resident_pages(char* memory) {
    auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    std::vector<unsigned char> pages(BlockRun::bytes / page);
    REQUIRE(::mincore(memory, BlockRun::bytes, pages.data()) == 0);
    int resident = 0;
    for (unsigned char each : pages) resident += each & 1;
    return resident;
}

}  // namespace

TEST_CASE("a run holds as many blocks of any size as have room, each at a place of its own") {
    Chunk chunk;
    BlockRun& run = chunk.run(1);
    for (std::size_t size = 16; size <= BlockRun::largest_block; size += 16) {
        run.begin(size);
        std::vector<char*> blocks = take_all(run);
        REQUIRE(blocks.size() == BlockRun::bytes / size);
        std::set<char*> sorted(blocks.begin(), blocks.end());
        char* memory = *sorted.begin();
        REQUIRE(reinterpret_cast<std::uintptr_t>(memory) % BlockRun::bytes == 0);
        std::size_t wrong = 0, i = 0;
        for (char* block : sorted) {
            if (block != memory + i++ * size || &BlockRun::of(block) != &run) ++wrong;
        }
        CHECK(wrong == 0);
    }
}

TEST_CASE("a run tells when its first block is free, and when all are") {
    Chunk chunk;
    BlockRun& run = chunk.run(31);
    run.begin(1024);
    std::vector<char*> blocks = take_all(run);
    CHECK(run.without_free());
    CHECK(run.give_back(blocks[0]));
    for (std::size_t i = 1; i < blocks.size() - 1; ++i) CHECK_FALSE(run.give_back(blocks[i]));
    CHECK_FALSE(run.unused());
    CHECK(run.give_back(blocks.back()));
    CHECK(run.unused());
    CHECK(run.take() == blocks.back());
    CHECK(run.take() == blocks[blocks.size() - 2]);
}

TEST_CASE("a page is not touched before it is needed") {
    Chunk chunk;
    BlockRun& run = chunk.run(1);
    run.begin(64);
    REQUIRE(run.cut());
    char* memory = static_cast<char*>(run.take());
    CHECK(resident_pages(memory) == 1);
}

TEST_CASE("pages go back around the blocks that are used, and their blocks come back") {
    Chunk chunk;
    BlockRun& run = chunk.run(2);
    for (std::size_t size : {16, 48, 208, 720, 1024, 1456, 2048}) {
        run.begin(size);
        std::vector<char*> blocks = take_all(run);
        for (char* block : blocks) std::memset(block, 7, size);
        int all = resident_pages(blocks[0]);
        std::size_t kept = blocks.size() / 2;
        for (std::size_t i = 0; i < blocks.size(); ++i) {
            if (i != kept) run.give_back(blocks[i]);
        }
        run.return_pages();
        // A used block lies in two pages at the most.
        CHECK(resident_pages(blocks[0]) <= std::min(2, all));
        CHECK(std::string(blocks[kept], size) == std::string(size, 7));
        run.return_pages();
        std::vector<char*> again = take_all(run);
        std::set<char*> places(again.begin(), again.end());
        CHECK(places.size() == again.size());
        CHECK(again.size() == blocks.size() - 1);
        CHECK_FALSE(places.contains(blocks[kept]));
        for (char* block : again) run.give_back(block);
        run.give_back(blocks[kept]);
        run.return_pages();
        CHECK(resident_pages(blocks[0]) == 0);
        CHECK(take_all(run).size() == blocks.size());
        for (char* block : blocks) run.give_back(block);
        CHECK(run.unused());
        run.return_all();
        CHECK(resident_pages(blocks[0]) == 0);
    }
}

TEST_CASE("without address space there is no chunk") {
    if (instrumented()) return;
    int status = in_child([] {
        limit_address_space(RunChunk::bytes);
        return RunChunk::map() == nullptr ? 0 : 1;
    });
    CHECK(exited_well(status));
}
