#include <doctest/doctest.h>

#include <numeric>
#include <vector>

#include "tests/bench/percentile.hpp"

using bench::percentile;

TEST_CASE("a percentile is a sample that was measured")
{
    std::vector<double> samples(100);
    std::iota(samples.rbegin(), samples.rend(), 1);
    CHECK(percentile(samples, 50) == 50);
    CHECK(percentile(samples, 99) == 99);
    CHECK(percentile(samples, 100) == 100);
    CHECK(percentile(samples, 0) == 1);
    CHECK(percentile(samples, 0.5) == 1);
}

TEST_CASE("one sample is every percentile, and none is 0")
{
    std::vector<double> one{7};
    CHECK(percentile(one, 0) == 7);
    CHECK(percentile(one, 50) == 7);
    CHECK(percentile(one, 99) == 7);
    std::vector<double> none;
    CHECK(percentile(none, 50) == 0);
}

TEST_CASE("a percentile out of range is the nearest one in range")
{
    std::vector<double> samples{3, 1, 2};
    CHECK(percentile(samples, -5) == 1);
    CHECK(percentile(samples, 200) == 3);
    CHECK(percentile(samples, 50) == 2);
    CHECK(percentile(samples, 67) == 3);
}
