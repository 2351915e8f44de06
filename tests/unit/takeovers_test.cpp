#include <doctest/doctest.h>

#include "remote-proxy/takeovers.hpp"

using namespace tunnel;
using namespace std::chrono_literals;

TEST_CASE("two with the same identity that push each other out have to wait longer each time")
{
    Takeovers takeovers;
    auto now = Clock::time_point() + 1h;
    for (const auto expected : {0s, 0s, 1s, 2s, 4s, 8s, 8s, 8s}) {
        CHECK(takeovers.wait(now) == expected);
        takeovers.happened(now);
        now += 1s;
    }
}

TEST_CASE("one that is restarted once in a while never waits")
{
    Takeovers takeovers;
    auto now = Clock::time_point() + 1h;
    for (int i = 0; i < 20; ++i) {
        CHECK(takeovers.wait(now) == 0s);
        takeovers.happened(now);
        now += 40s;
    }
}

TEST_CASE("a fight that is over is forgotten after a minute")
{
    Takeovers takeovers;
    const auto now = Clock::time_point() + 1h;
    for (int i = 0; i < 10; ++i)
        takeovers.happened(now);
    CHECK(takeovers.wait(now + 59s) == 8s);
    CHECK(takeovers.wait(now + 60s) == 0s);
}
