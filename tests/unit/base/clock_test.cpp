#include <doctest/doctest.h>

#include "common/base/asio.hpp"

using namespace std::chrono_literals;

namespace tunnel {

TEST_CASE("a timer ends when the steered clock has been put forward beyond it")
{
    Clock::Steered clock;
    asio::io_context io;
    Timer timer(io, 1h);
    bool ended = false;
    timer.async_wait([&](std::error_code) { ended = true; });
    clock.advance(59min);
    io.run_for(20ms);
    CHECK_FALSE(ended);
    clock.advance(1min);
    io.run_for(5s); // returns as soon as there is nothing to wait for
    CHECK(ended);
}

TEST_CASE("the clock never goes back")
{
    const auto before = Clock::now();
    {
        Clock::Steered clock;
        clock.advance(1h);
    }
    CHECK(Clock::now() - before >= 1h);
}

} // namespace tunnel
