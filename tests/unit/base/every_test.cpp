#include <doctest/doctest.h>

#include <optional>

#include "common/base/every.hpp"

using namespace std::chrono_literals;
using namespace tunnel;

TEST_CASE("what is done again and again is done after each interval")
{
    asio::io_context io(1);
    int calls = 0;
    const auto began = Clock::now();
    const Every every(io, 5ms, [&calls] { ++calls; });
    while (calls < 3)
        io.run_one();
    CHECK(Clock::now() - began >= 15ms);
}

TEST_CASE("nothing is done after its end, also if it was due")
{
    asio::io_context io(1);
    int calls = 0;
    std::optional<Every> every;
    every.emplace(io, 1ms, [&calls] { ++calls; });
    asio::post(io, [&every] { every.reset(); });
    const auto due = Clock::now() + 2ms;
    while (Clock::now() < due) {
    }
    io.run_for(5s); // learns that it is due, then ends it, then comes to what was due
    CHECK(calls == 0);
}
