#include "runtime/buffer.hpp"

#include <algorithm>
#include <random>

#include "test/runtime/fixtures.hpp"

using namespace coir;
using namespace coir::test;

namespace {

constexpr std::size_t npos = std::string_view::npos;

std::size_t search(std::string_view bytes, std::vector<std::string_view> delimiters,
                   std::size_t from = 0) {
    return find_delimiter(bytes, delimiters, from);
}

}  // namespace

TEST_CASE("a new buffer is empty") {
    BlockPool blocks;
    Buffer buffer(blocks);
    CHECK(buffer.empty());
    CHECK(buffer.size() == 0);
    CHECK(buffer.view() == "");
    buffer.consume(0);
    buffer.release_if_empty();
    CHECK(buffer.append("") == Error());
    CHECK(buffer.put_back("") == Error());
    CHECK(buffer.reserve(0));
    CHECK(buffer.empty());
}

TEST_CASE("bytes leave a buffer in the order in which they entered") {
    BlockPool blocks;
    Buffer buffer(blocks);
    CHECK(buffer.append("hello ") == Error());
    CHECK(buffer.append("world") == Error());
    CHECK(buffer.view() == "hello world");
    buffer.consume(6);
    CHECK(buffer.view() == "world");
    CHECK(buffer.append("!") == Error());
    CHECK(buffer.view() == "world!");
    buffer.consume(6);
    CHECK(buffer.empty());
}

TEST_CASE("a buffer holds any bytes, zeros too") {
    BlockPool blocks;
    Buffer buffer(blocks);
    std::string bytes;
    for (int i = 0; i < 256; ++i) bytes.push_back(static_cast<char>(i));
    CHECK(buffer.append(bytes) == Error());
    CHECK(buffer.view() == bytes);
}

TEST_CASE("what is put back comes before the rest, with and without room in front") {
    BlockPool blocks;
    Buffer buffer(blocks);
    CHECK(buffer.put_back("b") == Error());
    CHECK(buffer.append("cdef") == Error());
    buffer.consume(2);
    CHECK(buffer.put_back("xy") == Error());
    CHECK(buffer.view() == "xydef");
    CHECK(buffer.put_back("much longer than the room in front") == Error());
    CHECK(buffer.view() == "much longer than the room in frontxydef");
}

TEST_CASE("only what is committed of the reserved room becomes part of the buffer") {
    BlockPool blocks;
    Buffer buffer(blocks);
    Result<std::span<char>> room = buffer.reserve(100);
    REQUIRE(room);
    CHECK(room->size() >= 100);
    CHECK(buffer.empty());
    std::copy_n("abc", 3, room->begin());
    buffer.commit(2);
    CHECK(buffer.view() == "ab");
}

TEST_CASE("room that no memory can hold is ENOMEM and changes nothing") {
    BlockPool blocks;
    Buffer buffer(blocks);
    for (std::size_t size : {SIZE_MAX, SIZE_MAX / 2, SIZE_MAX / 4, SIZE_MAX / 8}) {
        CHECK(buffer.reserve(size).error() == std::errc::not_enough_memory);
    }
    CHECK(buffer.append("abc") == Error());
    for (std::size_t size : {SIZE_MAX, SIZE_MAX / 2, SIZE_MAX / 4, SIZE_MAX / 8}) {
        CHECK(buffer.reserve(size).error() == std::errc::not_enough_memory);
        CHECK(buffer.view() == "abc");
    }
    CHECK(buffer.append("def") == Error());
    CHECK(buffer.view() == "abcdef");
}

TEST_CASE("a buffer that is never quite empty stays small") {
    BlockPool blocks;
    Buffer buffer(blocks);
    std::string block(1000, 'x');
    for (std::size_t i = 0; i < scaled(100'000); ++i) {
        REQUIRE(buffer.append(block) == Error());
        buffer.consume(buffer.size() - 1);
    }
    CHECK((*buffer.reserve(1)).size() < BlockPool::block_size);
}

TEST_CASE("an empty buffer gives its memory back, a full one keeps it") {
    BlockPool blocks;
    Buffer buffer(blocks);
    CHECK(buffer.append("abc") == Error());
    buffer.release_if_empty();
    CHECK(buffer.view() == "abc");
    buffer.consume(3);
    buffer.release_if_empty();
    CHECK((*buffer.reserve(0)).empty());
    CHECK(buffer.append("def") == Error());
    CHECK(buffer.view() == "def");
}

TEST_CASE("a buffer agrees with a string over random operations") {
    std::mt19937 random(3);
    BlockPool blocks;
    Buffer buffer(blocks);
    std::string model;
    for (std::size_t i = 0; i < scaled(50'000); ++i) {
        std::string bytes(random() % 50, static_cast<char>('a' + random() % 26));
        switch (random() % 4) {
            case 0:
                REQUIRE(buffer.append(bytes) == Error());
                model += bytes;
                break;
            case 1:
                REQUIRE(buffer.put_back(bytes) == Error());
                model = bytes + model;
                break;
            default:
                std::size_t n = std::min<std::size_t>(random() % 50, model.size());
                buffer.consume(n);
                model.erase(0, n);
                buffer.release_if_empty();
        }
        REQUIRE(buffer.view() == model);
    }
}

TEST_CASE("a delimiter is found where it ends") {
    CHECK(search("one\ntwo", {"\n"}) == 4);
    CHECK(search("one\r\ntwo", {"\r\n"}) == 5);
    CHECK(search("one", {"\n"}) == npos);
    CHECK(search("", {"\n"}) == npos);
    CHECK(search("\n", {"\n"}) == 1);
    CHECK(search("\n", {"\r\n"}) == npos);
    CHECK(search(std::string_view("a\0b", 3), {std::string_view("\0", 1)}) == 2);
}

TEST_CASE("of several delimiters the one that ends first counts, whatever their order") {
    CHECK(search("a;b,c", {",", ";"}) == 2);
    CHECK(search("a;b,c", {";", ","}) == 2);
    CHECK(search("xabcx", {"abc", "b"}) == 3);
    CHECK(search("xabcx", {"b", "abc"}) == 3);
    CHECK(search("one\r\n", {"\n", "\r\n"}) == 5);
    CHECK(search("one\r\n", {"\r\n", "\n"}) == 5);
    CHECK(search("one\r\n", {"\r", "\r\n"}) == 4);
}

TEST_CASE("a delimiter that repeats itself is found at its first place") {
    CHECK(search("aaab", {"aab"}) == 4);
    CHECK(search("ababac", {"abac"}) == 6);
    CHECK(search("\r\r\n", {"\r\n"}) == 3);
}

TEST_CASE("a search that goes on finds a delimiter that began in what was searched before") {
    CHECK(search("one\r\ntwo", {"\r\n"}, 4) == 5);
    CHECK(search("abcdefgh", {"defg"}, 6) == 7);
    CHECK(search("abcdefgh", {"defg"}, 3) == 7);
    CHECK(search("abcdefgh", {"defgh", "fg"}, 5) == 7);
    CHECK(search("ab", {"abcdef"}, 2) == npos);
}

TEST_CASE("searching piece by piece finds what searching at once finds") {
    std::mt19937 random(5);
    std::vector<std::string_view> delimiters = {"aba", "bb", "cab", "abcabc"};
    for (std::size_t round = 0; round < scaled(20'000); ++round) {
        std::string bytes;
        for (int i = 0; i < 30; ++i) bytes.push_back(static_cast<char>('a' + random() % 4));
        std::size_t whole = search(bytes, delimiters);
        std::size_t found = npos, searched = 0;
        for (std::size_t size = 0; size <= bytes.size() && found == npos;
             size += 1 + random() % 5) {
            found = search(bytes.substr(0, size), delimiters, searched);
            searched = size;
        }
        if (found == npos) found = search(bytes, delimiters, std::min(searched, bytes.size()));
        CAPTURE(bytes);
        REQUIRE(found == whole);
    }
}
