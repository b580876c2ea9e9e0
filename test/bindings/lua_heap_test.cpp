#include "bindings/lua_heap.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "bindings/state.hpp"
#include "test/runtime/process.hpp"

using namespace coir;
using namespace coir::test;

namespace {

#ifdef COIR_ASAN
constexpr bool has_runs = false;
#else
constexpr bool has_runs = true;
#endif

constexpr std::size_t largest = BlockRun::largest_block;

// A block whose bytes are all `fill`, or say what is wrong.
struct Piece {
    char* block = nullptr;
    std::size_t size = 0;
    char fill = 0;

    bool intact() const {
        return std::all_of(block, block + size, [this](char byte) { return byte == fill; });
    }
};

Piece take(LuaHeap& heap, std::size_t size, char fill) {
    auto* block = static_cast<char*>(LuaHeap::allocate(&heap, nullptr, 0, size));
    if (block != nullptr) std::memset(block, fill, size);
    return Piece{block, size, fill};
}

void give_back(LuaHeap& heap, const Piece& piece) {
    LuaHeap::allocate(&heap, piece.block, piece.size, 0);
}

// Changes the size; returns whether there was memory and the contents are still there.
bool resize(LuaHeap& heap, Piece& piece, std::size_t size) {
    auto* moved = static_cast<char*>(LuaHeap::allocate(&heap, piece.block, piece.size, size));
    if (moved == nullptr) return false;
    Piece common{moved, std::min(size, piece.size), piece.fill};
    bool kept = common.intact();
    std::memset(moved, piece.fill, size);
    piece = Piece{moved, size, piece.fill};
    return kept;
}

// Runs `script` on L; returns what it returns, or the error, as a string.
std::string run(lua_State* L, const char* script) {
    if (luaL_loadstring(L, script) == LUA_OK) lua_pcall(L, 0, 1, 0);
    const char* text = lua_tostring(L, -1);
    std::string result = text == nullptr ? luaL_typename(L, -1) : text;
    lua_settop(L, 0);
    return result;
}

constexpr const char* churn = R"(
  local kept, sum = {}, 0
  for round = 1, 40 do
    for i = 1, 500 do
      local t = { i, name = ('x'):rep(i % 300) .. i, f = function() return i + round end }
      for k = 1, i % 20 do t[k] = { k } end
      kept[i * round % 977] = coroutine.wrap(function() sum = sum + t.f() coroutine.yield() end)
      kept[i * round % 977]()
    end
    if round % 10 == 0 then collectgarbage(round % 20 == 0 and 'generational' or 'incremental') end
  end
  kept = nil
  collectgarbage()
  return sum
)";

}  // namespace

TEST_CASE("blocks of every size are aligned, do not overlap, and are all given back") {
    LuaHeap heap;
    std::vector<Piece> pieces;
    std::size_t total = 0;
    for (std::size_t size = 1; size <= largest + 300; ++size) {
        for (int i = 0; i < 3; ++i) {
            pieces.push_back(take(heap, size, static_cast<char>(pieces.size())));
            REQUIRE(pieces.back().block != nullptr);
            REQUIRE(reinterpret_cast<std::uintptr_t>(pieces.back().block) % 16 == 0);
            total += size;
        }
    }
    CHECK(heap.used() == total);
    std::size_t damaged = 0;
    for (const Piece& piece : pieces) damaged += piece.intact() ? 0 : 1;
    CHECK(damaged == 0);
    for (const Piece& piece : pieces) give_back(heap, piece);
    CHECK(heap.used() == 0);
}

TEST_CASE("nothing is allocated for nothing") {
    LuaHeap heap;
    CHECK(LuaHeap::allocate(&heap, nullptr, LUA_TTABLE, 0) == nullptr);
    CHECK(heap.used() == 0);
}

TEST_CASE("what a block holds is kept from any size to any other") {
    LuaHeap heap;
    const std::size_t sizes[] = {1,    15,          16,      17,          100,  208,  720,
                                 1008, largest - 1, largest, largest + 1, 1040, 5000, 300'000};
    for (std::size_t from : sizes) {
        for (std::size_t to : sizes) {
            Piece piece = take(heap, from, 'k');
            CHECK(resize(heap, piece, to));
            CHECK(resize(heap, piece, from));
            CHECK(heap.used() == from);
            give_back(heap, piece);
        }
    }
    CHECK(heap.used() == 0);
}

TEST_CASE("a block stays where it is while its size stays of its kind, and is then taken first") {
    if (!has_runs) return;
    LuaHeap heap;
    Piece piece = take(heap, 33, 'x');
    char* block = piece.block;
    CHECK(resize(heap, piece, 48));
    CHECK(resize(heap, piece, 34));
    CHECK(piece.block == block);
    give_back(heap, piece);
    CHECK(take(heap, 40, 'y').block == block);
}

TEST_CASE("blocks that come, go and change in any order never meet") {
    LuaHeap heap;
    std::mt19937 random(1);
    std::vector<Piece> pieces;
    std::size_t total = 0, wrong = 0;
    auto size = [&] { return random() % (random() % 8 == 0 ? 4000 : 400) + 1; };
    for (std::size_t i = scaled(400'000); i > 0; --i) {
        // Now and then most go.
        bool grows = i / 20'000 % 2 == 0 ? random() % 3 != 0 : random() % 3 == 0;
        if (pieces.empty() || grows) {
            pieces.push_back(take(heap, size(), static_cast<char>(random())));
            total += pieces.back().size;
            continue;
        }
        std::swap(pieces[random() % pieces.size()], pieces.back());
        Piece& piece = pieces.back();
        total -= piece.size;
        if (!piece.intact()) ++wrong;
        if (random() % 4 == 0) {
            if (!resize(heap, piece, size())) ++wrong;
            total += piece.size;
        } else {
            give_back(heap, piece);
            pieces.pop_back();
        }
        if (heap.used() != total) ++wrong;
    }
    CHECK(wrong == 0);
    for (const Piece& piece : pieces) give_back(heap, piece);
    CHECK(heap.used() == 0);
}

TEST_CASE("memory goes back when half is free, from between what is used, too") {
    if (instrumented()) return;
    LuaHeap heap;
    std::vector<Piece> pieces;
    std::size_t before = resident_bytes();
    for (int i = 0; i < 300'000; ++i) {
        pieces.push_back(take(heap, static_cast<std::size_t>(i % 20 * 10 + 100), 'a'));
    }
    std::size_t most = resident_bytes(), full = most - before;
    REQUIRE(full > 50 << 20);
    auto kept = [](std::size_t i) { return i % 499 == 0; };
    for (std::size_t i = 0; i < pieces.size() / 3; ++i) {
        if (!kept(i)) give_back(heap, pieces[i]);
    }
    heap.when_due();
    CHECK(resident_bytes() > most - full / 10);  // not yet
    for (std::size_t i = pieces.size() / 3; i < pieces.size(); ++i) {
        if (!kept(i)) give_back(heap, pieces[i]);
    }
    heap.when_due();
    CHECK(resident_bytes() < most - full / 4 * 3);  // `pieces` is what is left
    for (std::size_t i = 0; i < pieces.size(); ++i) {
        if (!kept(i)) pieces[i] = take(heap, pieces[i].size, 'b');
    }
    std::size_t damaged = 0;
    for (const Piece& piece : pieces) damaged += piece.intact() ? 0 : 1;
    CHECK(damaged == 0);
    for (const Piece& piece : pieces) give_back(heap, piece);
    CHECK(heap.used() == 0);
    heap.when_due();
    CHECK(resident_bytes() < most - full / 4 * 3);
}

TEST_CASE("what is kept for the next blocks of every size goes back, too") {
    if (instrumented()) return;
    std::vector<Piece> pieces(20'000);
    std::size_t before = 0;
    for (int round = 0; round < 2; ++round) {  // the first returns what other cases have left
        LuaHeap heap;
        before = resident_bytes();
        for (std::size_t i = 0; i < pieces.size(); ++i) {
            pieces[i] = take(heap, largest - i % 64 * 16, 'x');
        }
        CHECK(resident_bytes() > before + (8 << 20));
        Piece large = take(heap, 16 << 20, 'l');
        for (const Piece& piece : pieces) give_back(heap, piece);
        give_back(heap, large);
        heap.when_due();
        if (round == 1) CHECK(resident_bytes() < before + (1 << 20));
    }
}

TEST_CASE("runs whose used blocks fill their pages are used again") {
    LuaHeap heap;
    std::vector<Piece> pieces, kept;
    for (int i = 0; i < 20'000; ++i) pieces.push_back(take(heap, 1024, static_cast<char>(i)));
    for (const Piece& piece : pieces) {
        bool keep = reinterpret_cast<std::uintptr_t>(piece.block) / 4096 % 4 == 0;
        if (keep) {
            kept.push_back(piece);
        } else {
            give_back(heap, piece);
        }
    }
    heap.when_due();
    for (std::size_t i = 0; i < kept.size(); i += 2) give_back(heap, kept[i]);
    std::size_t damaged = 0;
    char fill = 0;
    for (Piece& piece : pieces) piece = take(heap, 1024, ++fill);
    for (const Piece& piece : pieces) damaged += piece.intact() ? 0 : 1;
    for (std::size_t i = 1; i < kept.size(); i += 2) damaged += kept[i].intact() ? 0 : 1;
    CHECK(damaged == 0);
    for (const Piece& piece : pieces) give_back(heap, piece);
    for (std::size_t i = 1; i < kept.size(); i += 2) give_back(heap, kept[i]);
    CHECK(heap.used() == 0);
}

TEST_CASE("without memory a block stays as it is, except that a small one can get smaller") {
    if (instrumented()) return;
    int status = in_child([] {
        LuaHeap heap;
        Piece large = take(heap, 5000, 'l');
        Piece small = take(heap, 500, 's');
        std::vector<Piece> pieces;
        pieces.reserve(500'000);
        limit_address_space(16 << 20);
        for (std::size_t size = largest; size > 0; --size) {
            for (Piece piece; (piece = take(heap, size, 'p')).block != nullptr;) {
                pieces.push_back(piece);
            }
        }
        if (pieces.size() < 5000) return 1;
        if (take(heap, 64 << 20, 'x').block != nullptr) return 2;
        if (resize(heap, large, 64 << 20) || resize(heap, large, 200)) return 3;
        if (resize(heap, small, 600) || resize(heap, small, 5000 << 10)) return 4;
        if (!large.intact() || !small.intact()) return 5;
        char* place = small.block;
        if (!resize(heap, small, 100) || small.block != place) return 6;
        if (resize(heap, small, 300)) return 7;
        for (const Piece& piece : pieces) {
            if (!piece.intact()) return 8;
            give_back(heap, piece);
        }
        if (!resize(heap, small, 300) || !resize(heap, large, 200)) return 9;
        give_back(heap, small);
        give_back(heap, large);
        if (heap.used() != 0) return 10;
        large = take(heap, 8 << 20, 'l');  // where the small blocks were
        if (large.block == nullptr) return 11;
        give_back(heap, large);
        return take(heap, 100, 's').block != nullptr ? 0 : 12;
    });
    CHECK(WEXITSTATUS(status) == 0);
    CHECK(exited_well(status));
}

TEST_CASE("a Lua state lives on the heap and leaves nothing there") {
    LuaHeap heap;
    lua_State* L = new_state(LuaHeap::allocate, &heap);
    REQUIRE(L != nullptr);
    luaL_openlibs(L);
    CHECK(run(L, churn) == "5420000");
    auto counted =
        static_cast<std::size_t>(lua_gc(L, LUA_GCCOUNT) * 1024 + lua_gc(L, LUA_GCCOUNTB));
    CHECK(heap.used() == counted);
    lua_close(L);
    CHECK(heap.used() == 0);
}

TEST_CASE("Lua bears a heap that cannot shrink a large block to a small one") {
    struct Stubborn {
        LuaHeap heap;
        int refused = 0;
        static void* allocate(void* self, void* block, std::size_t old_size, std::size_t size) {
            auto& stubborn = *static_cast<Stubborn*>(self);
            if (block != nullptr && size != 0 && size <= largest && old_size > largest) {
                ++stubborn.refused;
                return nullptr;
            }
            return LuaHeap::allocate(&stubborn.heap, block, old_size, size);
        }
    } stubborn;
    lua_State* L = new_state(Stubborn::allocate, &stubborn);
    REQUIRE(L != nullptr);
    luaL_openlibs(L);
    // A stack, a table's array, the table of strings, a function's code.
    CHECK(run(L, R"(
      local function deep(n) if n > 0 then return 1 + deep(n - 1) end return 0 end
      local t = {}
      for i = 1, 1000 do t[i] = 'string ' .. i end
      local sum = deep(5000)
      for i = 20, 1000 do t[i] = nil end
      collectgarbage() collectgarbage()
      pcall(function() t.x, t.y, t.z = 1, 2, 3 end)
      pcall(load, ('local x = 1 '):rep(20) .. ('x = x + 1 '):rep(20))
      for i = 1, 19 do assert(t[i] == 'string ' .. i) end
      return sum + deep(100)
    )") == "5100");
    CHECK(stubborn.refused > 0);
    lua_close(L);
    CHECK(stubborn.heap.used() == 0);
}

TEST_CASE("a script that takes all memory gets Lua's error, and the state goes on") {
    if (instrumented()) return;
    int status = in_child([] {
        LuaHeap heap;
        lua_State* L = new_state(LuaHeap::allocate, &heap);
        luaL_openlibs(L);
        limit_address_space(64 << 20);
        const char* greedy = "local t = {} for i = 1, 1e9 do t = { t, 'x' .. i } end";
        if (run(L, greedy) != "not enough memory") return 1;
        if (run(L, churn) != "5420000") return 2;
        lua_close(L);
        return heap.used() == 0 ? 0 : 3;
    });
    CHECK(WEXITSTATUS(status) == 0);
    CHECK(exited_well(status));
}
