#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <set>

#include "remote-proxy/origins/replay_window.hpp"

using namespace tunnel;

namespace {

constexpr std::uint64_t size = ReplayWindow::size;
constexpr std::uint64_t largest = std::numeric_limits<std::uint64_t>::max();

} // namespace

TEST_CASE("numbers in turn pass once each")
{
    ReplayWindow window;
    for (std::uint64_t number = 0; number < 3 * size; ++number) {
        CHECK(window.use(number));
        CHECK_FALSE(window.use(number));
    }
    for (std::uint64_t number = 0; number < 3 * size; ++number)
        CHECK_FALSE(window.use(number));
}

TEST_CASE("numbers may overtake each other within the window, and are too old below it")
{
    ReplayWindow window;
    CHECK(window.use(5000));
    CHECK_FALSE(window.use(5000 - size));
    CHECK(window.use(5000 - size + 1));
    for (std::uint64_t number = 4999; number > 5000 - size + 1; --number)
        CHECK(window.use(number));
    for (std::uint64_t number = 0; number <= 5000; ++number)
        CHECK_FALSE(window.use(number));
}

TEST_CASE("a number far ahead passes, and all far below it are too old")
{
    ReplayWindow window;
    for (const std::uint64_t ahead : {size, size + 1, 2 * size, 1'000'000UL, 1UL << 63}) {
        CAPTURE(ahead);
        CHECK(window.use(ahead));
        CHECK_FALSE(window.use(ahead));
        CHECK_FALSE(window.use(0));
    }
    CHECK(window.use((1UL << 63) - 1));
}

TEST_CASE("the largest numbers open the window to none that was used")
{
    ReplayWindow window;
    CHECK(window.use(0));
    CHECK(window.use(7));
    CHECK(window.use(largest - size - 1)); // the last that pass are no longer of use
    window.use(largest - 1);
    window.use(largest);
    for (const std::uint64_t number :
         {std::uint64_t{0}, std::uint64_t{7}, std::uint64_t{8}, largest - size - 1, largest})
        CHECK_FALSE(window.use(number));
}

TEST_CASE("in any order the window does what a list of all used numbers would do")
{
    std::mt19937_64 random(21);
    for (int round = 0; round < 50; ++round) {
        ReplayWindow window;
        std::set<std::uint64_t> used;
        const std::uint64_t spread = std::uint64_t{1} << random() % 14;
        std::uint64_t base = 0;
        for (int i = 0; i < 2000; ++i) {
            base += random() % 3 == 0 ? random() % spread : 0;
            const std::uint64_t number = base + random() % spread;
            const std::uint64_t highest = used.empty() ? number : std::max(number, *used.rbegin());
            const bool good = number + size > highest && !used.contains(number);
            CHECK(window.use(number) == good);
            if (good)
                used.insert(number);
        }
    }
}
