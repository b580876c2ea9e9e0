// histogram_test.cpp: tests bench/load/histogram.

#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "bench/load/histogram.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include <doctest/doctest.h>

using coir::bench::Histogram;

TEST_CASE("an empty histogram has no latency") {
    Histogram histogram;
    CHECK(histogram.count() == 0);
    CHECK(histogram.quantile(0.5) == 0);
    CHECK(histogram.max() == 0);
}

TEST_CASE("small values are exact") {
    Histogram histogram;
    for (std::uint64_t value = 1; value <= 100; ++value) histogram.record(value);
    CHECK(histogram.count() == 100);
    CHECK(histogram.quantile(0.5) == 50);
    CHECK(histogram.quantile(0.99) == 99);
    CHECK(histogram.quantile(0.999) == 100);
    CHECK(histogram.quantile(1) == 100);
    CHECK(histogram.max() == 100);
}

TEST_CASE("one value is every quantile") {
    Histogram histogram;
    histogram.record(123'456'789);
    CHECK(histogram.quantile(0) == 123'456'789);
    CHECK(histogram.quantile(0.5) == 123'456'789);
    CHECK(histogram.quantile(1) == 123'456'789);
}

TEST_CASE("a quantile is never below the recorded value, and at most 0.8 % above it") {
    Histogram histogram;
    std::vector<std::uint64_t> values;
    std::uint64_t state = 1;
    for (int i = 0; i < 20'000; ++i) {
        state = state * 6'364'136'223'846'793'005 + 1'442'695'040'888'963'407;
        values.push_back(state >> (state % 60));  // every magnitude
        histogram.record(values.back());
    }
    std::sort(values.begin(), values.end());
    for (double share : {0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0}) {
        auto rank = static_cast<std::size_t>(std::ceil(share * 20'000.0)) - 1;
        auto exact = static_cast<double>(values[rank]);
        auto seen = static_cast<double>(histogram.quantile(share));
        CHECK(seen >= exact);
        CHECK(seen <= exact * 1.008);
    }
}

TEST_CASE("the largest number has a bucket") {
    Histogram histogram;
    histogram.record(UINT64_MAX);
    histogram.record(0);
    CHECK(histogram.quantile(0.5) == 0);
    CHECK(histogram.quantile(1) == UINT64_MAX);
}

TEST_CASE("clear forgets everything") {
    Histogram histogram;
    histogram.record(7);
    histogram.clear();
    CHECK(histogram.count() == 0);
    CHECK(histogram.quantile(1) == 0);
}
