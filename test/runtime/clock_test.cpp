#include "runtime/clock.hpp"

#include <cmath>
#include <limits>

#include "test/runtime/fixtures.hpp"

using namespace coir;

TEST_CASE("a timeout of zero or less ends now") {
    for (double timeout : {0.0, -0.0, -1.0, -1e300, -std::numeric_limits<double>::infinity()}) {
        CAPTURE(timeout);
        Deadline before = Clock::now();
        Deadline deadline = deadline_after(timeout);
        CHECK(deadline >= before);
        CHECK(deadline <= Clock::now());
    }
}

TEST_CASE("a timeout that the clock cannot hold means never") {
    CHECK(deadline_after(std::numeric_limits<double>::infinity()) == never);
    CHECK(deadline_after(1e300) == never);
    CHECK(deadline_after(1e10) == never);
    CHECK(deadline_after(9.3e9) == never);
}

TEST_CASE("a timeout of many years is not never") {
    Deadline deadline = deadline_after(86400.0 * 365 * 50);
    CHECK(deadline > Clock::now());
    CHECK(deadline < never);
}

TEST_CASE("a deadline is never earlier than the timeout that was asked for") {
    for (double timeout : {5e-324, 1e-12, 1e-9, 1.5e-9, 0.1, 1.0 / 3, 12345.678901234}) {
        CAPTURE(timeout);
        Deadline before = Clock::now();
        Deadline deadline = deadline_after(timeout);
        CHECK(seconds_between(before, deadline) >= timeout * (1 - 1e-12));
        CHECK(deadline > before);
    }
}

TEST_CASE("seconds between two points count both ways") {
    Deadline now = Clock::now();
    CHECK(seconds_between(now, now + std::chrono::milliseconds(1500)) == doctest::Approx(1.5));
    CHECK(seconds_between(now + std::chrono::seconds(2), now) == doctest::Approx(-2));
}
