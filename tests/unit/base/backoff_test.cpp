#include <doctest/doctest.h>

#include "common/base/backoff.hpp"

using namespace std::chrono_literals;
using tunnel::Backoff;

namespace {

constexpr std::uint32_t most = UINT32_MAX;

// The ceiling after `tries` waits.
constexpr Backoff::Duration ceiling_after(int tries)
{
    Backoff backoff(250ms, 30s);
    for (int i = 0; i < tries; ++i)
        backoff.next(most);
    return backoff.ceiling();
}

constexpr Backoff::Duration first_wait(std::uint32_t random)
{
    return Backoff(250ms, 30s).next(random);
}

constexpr Backoff::Duration ceiling_after_reset()
{
    Backoff backoff(250ms, 30s);
    for (int i = 0; i < 20; ++i)
        backoff.next(most);
    backoff.reset();
    return backoff.ceiling();
}

} // namespace

TEST_CASE("the longest wait doubles up to the slowest and stays there")
{
    static_assert(ceiling_after(0) == 250ms);
    static_assert(ceiling_after(1) == 500ms);
    static_assert(ceiling_after(2) == 1s);
    static_assert(ceiling_after(6) == 16s);
    static_assert(ceiling_after(7) == 30s);
    static_assert(ceiling_after(8) == 30s);
    static_assert(ceiling_after(1000) == 30s); // no shift beyond the width of a number
}

TEST_CASE("a wait is anything from nothing to the ceiling")
{
    static_assert(first_wait(0) == 0ms);
    static_assert(first_wait(most) == 250ms);
    static_assert(first_wait(most / 2) == 124ms);
    static_assert(first_wait(most / 2 + 1) == 125ms);
    Backoff backoff(250ms, 30s);
    for (int i = 0; i < 20; ++i) {
        const auto ceiling = backoff.ceiling();
        CHECK(backoff.next(static_cast<std::uint32_t>(i) * 0x0fffffffu) <= ceiling);
    }
}

TEST_CASE("after a reset the waits are short again")
{
    static_assert(ceiling_after_reset() == 250ms);
}

TEST_CASE("a first wait beyond the slowest is the slowest")
{
    static_assert(Backoff(1h, 30s).ceiling() == 30s);
    static_assert(Backoff(30s, 30s).next(most) == 30s);
}

TEST_CASE("the longest durations there are do not overflow")
{
    // What parse_duration() lets through at most, for both.
    static_assert(Backoff(1ms, 10'000h).ceiling() == 1ms);
    static_assert(Backoff(250ms, 200h).next(most) == 250ms);
}
