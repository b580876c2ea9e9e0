#include "runtime/list.hpp"

#include "test/runtime/fixtures.hpp"

using namespace coir;

namespace {

struct RedTag;
struct BlueTag;

struct Item : ListHook<RedTag>, ListHook<BlueTag> {
    explicit Item(char letter) : name(letter) {}
    bool red() const { return ListHook<RedTag>::linked(); }
    void leave_red() { ListHook<RedTag>::unlink(); }
    char name;
};

using Reds = List<Item, RedTag>;
using Blues = List<Item, BlueTag>;

template <class AnyList>
std::string names(AnyList& list) {
    std::string text;
    list.for_each([&](Item& item) { text += item.name; });
    return text;
}

struct Items {
    Item a{'a'}, b{'b'}, c{'c'}, d{'d'};
};

}  // namespace

TEST_CASE("a list keeps the order in which elements were pushed") {
    Items items;
    Reds list;
    CHECK(list.empty());
    list.push_back(items.b);
    list.push_back(items.c);
    list.push_front(items.a);
    CHECK(names(list) == "abc");
    CHECK(list.front().name == 'a');
    CHECK(list.pop_front().name == 'a');
    CHECK_FALSE(items.a.red());
    CHECK(names(list) == "bc");
}

TEST_CASE("an element leaves the list from any place, and leaving twice does nothing") {
    Items items;
    Reds list;
    for (Item* item : {&items.a, &items.b, &items.c}) list.push_back(*item);
    items.b.leave_red();
    items.b.leave_red();
    CHECK(names(list) == "ac");
    items.a.leave_red();
    items.c.leave_red();
    CHECK(list.empty());
    list.push_back(items.b);
    CHECK(names(list) == "b");
}

TEST_CASE("an element is on lists of two kinds at the same time") {
    Items items;
    Reds reds;
    Blues blues;
    reds.push_back(items.a);
    blues.push_back(items.a);
    items.a.leave_red();
    CHECK(reds.empty());
    CHECK(names(blues) == "a");
}

TEST_CASE("taking all moves one list behind another") {
    Items items;
    Reds first, second;
    first.push_back(items.a);
    second.push_back(items.b);
    second.push_back(items.c);
    first.take_all(second);
    CHECK(names(first) == "abc");
    CHECK(second.empty());
    first.take_all(second);
    CHECK(names(first) == "abc");
    second.take_all(first);
    CHECK(names(second) == "abc");
    second.push_back(items.d);
    items.a.leave_red();
    CHECK(names(second) == "bcd");
}

TEST_CASE("a visitor may unlink what it is given") {
    Items items;
    Reds list;
    for (Item* item : {&items.a, &items.b, &items.c}) list.push_back(*item);
    list.for_each([](Item& item) { item.leave_red(); });
    CHECK(list.empty());
}
