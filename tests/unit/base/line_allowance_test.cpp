// How much of the log one origin proxy's services may fill.
#include <doctest/doctest.h>

#include "common/base/line_allowance.hpp"

using namespace tunnel;
using namespace std::chrono_literals;

namespace {

int lines(LineAllowance& allowance, Clock::time_point now)
{
    int count = 0;
    while (count <= 2 * LineAllowance::most && allowance.take(now))
        ++count;
    return count;
}

} // namespace

TEST_CASE("all services of an origin proxy have their lines at once, and then one line a second")
{
    LineAllowance allowance;
    const auto now = Clock::time_point() + 1h;
    CHECK(lines(allowance, now) == LineAllowance::most);
    CHECK(lines(allowance, now + 999ms) == 0);
    CHECK(lines(allowance, now + 1s) == 1);
    CHECK(lines(allowance, now + 61s) == 60);
}

TEST_CASE("an origin proxy whose services were quiet for long may log as many as at first, no more")
{
    LineAllowance allowance;
    const auto now = Clock::time_point() + 1h;
    lines(allowance, now);
    CHECK(lines(allowance, now + 24h) == LineAllowance::most);
}
