#include "common/base/repeated_failure.hpp"

#include <string>

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace std::chrono_literals;
using namespace tunnel;

namespace {

const Clock::time_point noon = Clock::time_point() + 12h;

// Seconds in which there is a line, if it fails five times a second.
std::string lines_of(RepeatedFailure& failure, int seconds, std::string_view reason = "refused")
{
    std::string lines;
    for (int i = 0; i < 5 * seconds; ++i)
        if (failure.happened(reason, noon + i * 200ms))
            lines += fmt::format("{} ", i / 5);
    return lines;
}

} // namespace

TEST_CASE("a failure that repeats itself is told at once, and then less and less often")
{
    RepeatedFailure failure;
    CHECK(lines_of(failure, 240) == "0 1 3 7 15 31 63 123 183 ");
    CHECK(failure.failures() == 1200);
    failure.recovered();
    CHECK(failure.failures() == 0);
    CHECK(lines_of(failure, 2) == "0 1 ");
}

TEST_CASE("some may be told at once")
{
    RepeatedFailure failure(3);
    CHECK(lines_of(failure, 4) == "0 0 0 1 3 ");
}

TEST_CASE(
    "a reason that was not given before is told at once, but not one after the other for ever")
{
    RepeatedFailure failure;
    CHECK(failure.happened("refused", noon));
    CHECK(failure.happened("timed out", noon + 1ms));
    CHECK_FALSE(failure.happened("refused", noon + 2ms));
    CHECK_FALSE(failure.happened("timed out", noon + 3ms));
    int told = 0;
    for (int i = 0; i < 1000; ++i)
        told += int(failure.happened(fmt::format("reason {}", i), noon + 4ms));
    CHECK(told < 10);
}
