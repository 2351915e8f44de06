// The order of pairs that come due.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "common/relay/pair_queue.hpp"

using namespace std::chrono_literals;
using namespace tunnel;

namespace {

std::unique_ptr<Pair> some_pair()
{
    return std::make_unique<Pair>(
        Channel(), Channel(), [](Flow&) {}, PairOptions());
}

} // namespace

TEST_CASE("pairs come due in the order of their times, whatever is moved or taken out between")
{
    std::mt19937 random(1); // NOLINT: the same each time
    std::vector<std::unique_ptr<Pair>> pairs;
    for (int i = 0; i < 40; ++i)
        pairs.push_back(some_pair());
    PairQueue queue(&Pair::timer);
    std::map<Pair*, PairQueue::Time> expected;
    for (int i = 0; i < 5000; ++i) {
        Pair& pair = *pairs[random() % pairs.size()];
        if (random() % 3 == 0) {
            queue.remove(pair);
            expected.erase(&pair);
        } else {
            const PairQueue::Time due{std::chrono::seconds(random() % 60)};
            queue.put(pair, due);
            expected[&pair] = due;
        }
        REQUIRE(queue.contains(pair) == expected.contains(&pair));
        REQUIRE(queue.empty() == expected.empty());
        if (queue.empty())
            continue;
        const auto by_time = [](const auto& a, const auto& b) { return a.second < b.second; };
        REQUIRE(queue.first_due() == std::ranges::min_element(expected, by_time)->second);
        REQUIRE(queue.due(queue.first()) == queue.first_due());
        REQUIRE(expected.at(&queue.first()) == queue.first_due());
    }
}

TEST_CASE("a pair stands in one queue for each of its places")
{
    const auto pair = some_pair();
    PairQueue timers(&Pair::timer);
    PairQueue turns(&Pair::turn);
    timers.put(*pair, PairQueue::Time(2s));
    CHECK_FALSE(turns.contains(*pair));
    turns.put(*pair, PairQueue::Time(1s));
    timers.remove(*pair);
    CHECK(turns.first_due() == PairQueue::Time(1s));
    CHECK(timers.empty());
}
