#include "runtime/errno_names.hpp"

#include <set>

#include "test/runtime/fixtures.hpp"

using namespace coir;

TEST_CASE("every name of an error number is there once") {
    std::set<std::string> names;
    for (const ErrnoName& entry : errno_names()) {
        CAPTURE(entry.name);
        CHECK(names.insert(entry.name).second);
        CHECK(entry.name[0] == 'E');
        CHECK(entry.number > 0);
    }
    CHECK(names.contains("ETIMEDOUT"));
    CHECK(names.contains("EPIPE"));
}

TEST_CASE("of two names for one number the usual one comes first") {
    auto first_name = [](int number) -> std::string {
        for (const ErrnoName& entry : errno_names()) {
            if (entry.number == number) return entry.name;
        }
        return {};
    };
    CHECK(first_name(EWOULDBLOCK) == "EAGAIN");
    CHECK(first_name(EOPNOTSUPP) == "EOPNOTSUPP");
}
