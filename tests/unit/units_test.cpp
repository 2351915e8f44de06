#include <doctest/doctest.h>

#include "common/units.hpp"

using namespace std::chrono_literals;
using tunnel::parse_duration;

TEST_CASE("a duration is read in each of its units")
{
    CHECK(parse_duration("250ms") == 250ms);
    CHECK(parse_duration("5s") == 5s);
    CHECK(parse_duration("2m") == 2min);
    CHECK(parse_duration("1h") == 1h);
    CHECK(parse_duration("0") == 0ms);
}
