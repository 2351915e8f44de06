// Limits of bandwidth, with a clock that the tests turn.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <numeric>
#include <thread>
#include <utility>
#include <vector>

#include "common/relay/bandwidth.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using Time = Bandwidth::Clock::time_point;
using Use = Bandwidth::Use;

namespace {

constexpr Time start{1000h};

std::shared_ptr<Bandwidth> limit(std::uint64_t rate, Use use = Use::shared)
{
    return std::make_shared<Bandwidth>(rate, use);
}

// Always has more to move; in turn with others, as the relay calls its directions.
struct Greedy {
    explicit Greedy(Bandwidths limits) : allowance(std::make_unique<Allowance>(std::move(limits)))
    {
    }

    // Answers when it wants to be called again.
    Time move(Time now)
    {
        const std::size_t bytes = allowance->bytes(now);
        if (bytes == 0)
            return allowance->due(now);
        allowance->use(bytes);
        moved += bytes;
        return now;
    }

    std::unique_ptr<Allowance> allowance;
    std::size_t moved = 0;
    Time next = start;
};

// Calls each when it wants to be; time goes from one such moment to the next, and `late` more.
void run(std::vector<Greedy>& all, Time from, Time until, Bandwidth::Clock::duration late = 0us)
{
    for (Time now = from; now < until;) {
        bool any = true;
        while (std::exchange(any, false)) {
            for (Greedy& each : all) {
                if (each.next <= now) {
                    each.next = each.move(now);
                    any = true;
                }
            }
        }
        now = std::ranges::min_element(all, {}, &Greedy::next)->next + late;
    }
}

std::size_t total(const std::vector<Greedy>& all)
{
    return std::accumulate(all.begin(), all.end(), std::size_t{0},
                           [](std::size_t sum, const Greedy& each) { return sum + each.moved; });
}

bool within(double part, double seen, double expected)
{
    CAPTURE(seen);
    CAPTURE(expected);
    const bool is = seen >= expected * (1 - part) && seen <= expected * (1 + part);
    CHECK(is);
    return is;
}

} // namespace

TEST_CASE("in five seconds a limit lets through what its rate says, whatever that is")
{
    for (const std::uint64_t rate : {std::uint64_t{1024}, std::uint64_t{512 * 1024},
                                     std::uint64_t{100'000'000}, std::uint64_t{5'000'000'000}}) {
        for (const Use use : {Use::alone, Use::shared}) {
            CAPTURE(rate);
            std::vector<Greedy> one;
            one.emplace_back(Bandwidths{limit(rate, use)});
            run(one, start, start + 5s);
            within(0.05, static_cast<double>(total(one)), 5.0 * static_cast<double>(rate));
        }
    }
}

TEST_CASE("a machine that is late each time loses nothing, and one that was idle gains little")
{
    std::vector<Greedy> one;
    one.emplace_back(Bandwidths{limit(10'000'000)});
    run(one, start, start + 5s, 30ms);
    within(0.02, static_cast<double>(total(one)), 50'000'000);
    const std::size_t before = total(one);
    one[0].next = start + 60s;
    run(one, start + 60s, start + 61s);
    within(0.06, static_cast<double>(total(one) - before), 10'000'000);
}

TEST_CASE("visitors who always have more share a limit evenly, and together keep it")
{
    const auto shared = limit(1'000'000);
    std::vector<Greedy> all;
    for (int i = 0; i < 50; ++i)
        all.emplace_back(Bandwidths{limit(100'000'000, Use::alone), shared});
    Bandwidth::Clock::duration late = 0ms;
    SUBCASE("on a quick machine") {}
    double part = 0.1;
    SUBCASE("on one that is late each time")
    {
        late = 25ms; // whose turn comes just after a late wake-up waits for the next one
        part = 0.4;
    }
    run(all, start, start + 5s, late);
    within(0.05, static_cast<double>(total(all)), 5'000'000);
    const auto [least, most] = std::ranges::minmax_element(all, {}, &Greedy::moved);
    within(part, static_cast<double>(least->moved), 100'000);
    within(part, static_cast<double>(most->moved), 100'000);
}

TEST_CASE("what a visitor may not have for a limit of its own goes to the others")
{
    const auto shared = limit(1'000'000);
    std::vector<Greedy> all;
    all.emplace_back(Bandwidths{limit(50'000, Use::alone), shared});
    all.emplace_back(Bandwidths{shared});
    run(all, start, start + 5s);
    within(0.05, static_cast<double>(all[0].moved), 250'000);
    within(0.05, static_cast<double>(all[1].moved), 4'750'000);
}

TEST_CASE("the smallest of several limits holds")
{
    std::vector<Greedy> one;
    one.emplace_back(Bandwidths{limit(3'000'000, Use::alone), limit(2'000'000), limit(1'000'000)});
    run(one, start, start + 5s);
    within(0.05, static_cast<double>(total(one)), 5'000'000);
}

TEST_CASE("who reads little gives back the rest of its turn")
{
    const auto shared = limit(1'000'000);
    Allowance quiet(Bandwidths{shared});
    for (int i = 0; i < 1000; ++i) { // a poll in which nothing came, a millisecond each
        const std::size_t may = quiet.bytes(start + i * 1ms);
        REQUIRE(may > 0);
        quiet.use(0);
    }
    std::vector<Greedy> other;
    other.emplace_back(Bandwidths{shared});
    other[0].next = start + 1s;
    run(other, start + 1s, start + 2s);
    within(0.06, static_cast<double>(total(other)), 1'000'000);
}

TEST_CASE("who leaves while it waits takes no turn with it")
{
    const auto shared = limit(10'000);
    std::vector<Greedy> all;
    for (int i = 0; i < 200; ++i) {
        all.emplace_back(Bandwidths{shared});
        while (all.back().move(start) == start)
            continue;
    }
    const std::size_t before = total(all);
    all.erase(all.begin() + 1, all.end()); // what the others had ahead of them was 2.5 s
    run(all, start, start + 5s);
    CHECK(before < 2'000);
    within(0.06, static_cast<double>(all[0].moved), 50'000);
}

TEST_CASE("another rate holds at once, also for those who wait")
{
    const auto shared = limit(1024);
    std::vector<Greedy> all;
    for (int i = 0; i < 100; ++i)
        all.emplace_back(Bandwidths{shared});
    run(all, start, start + 1s); // the last has its next turn in 12 seconds
    shared->change(10'000'000);
    const std::size_t before = total(all);
    run(all, start + 1s, start + 3s);
    CHECK(total(all) - before > 9'000'000); // none slept for more than a second
    CHECK(total(all) - before < 21'000'000);
    CHECK(std::ranges::all_of(all, [](const Greedy& each) { return each.moved > 50'000; }));
}

TEST_CASE("a change to the same rate takes nobody's turn")
{
    const auto shared = limit(1'000'000);
    Greedy one{Bandwidths{shared}};
    Time next = start;
    while (next == start)
        next = one.move(start);
    shared->change(1'000'000);
    CHECK(shared->changes() == 0);
    CHECK(one.allowance->bytes(start) == 0);
    CHECK(one.allowance->bytes(next) > 0);
}

TEST_CASE("a limit that was taken away holds nobody back")
{
    const auto shared = limit(1024);
    Greedy one{Bandwidths{shared}};
    Time next = start;
    while (next == start)
        next = one.move(start);
    shared->change(0);
    CHECK(one.allowance->bytes(next) >= 1'000'000);
    one.allowance->use(1'000'000);
    CHECK(one.allowance->bytes(next) >= 1'000'000);
}

TEST_CASE("a limit is kept by threads that use it at the same time")
{
    const auto shared = limit(1'000'000);
    std::atomic<std::size_t> moved = 0;
    const auto take = [&] {
        Allowance mine(Bandwidths{shared});
        for (Time now = start; now < start + 5s;) {
            const std::size_t bytes = mine.bytes(now);
            if (bytes == 0) {
                now = mine.due(now);
                continue;
            }
            mine.use(bytes);
            moved += bytes;
        }
    };
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back(take);
    for (std::thread& each : threads)
        each.join();
    // Each has a clock of its own that runs ahead of the others', so each may lose what it slept.
    CHECK(moved <= 5'100'000);
    CHECK(moved > 4'000'000);
}

TEST_CASE("limits of a service that come, change and go")
{
    SharedLimits limits(Rates{std::nullopt, 1'000'000});
    Bandwidths up;
    Bandwidths down;
    limits.add_to(up, down);
    CHECK(up.empty());
    REQUIRE(down.size() == 1);
    limits.change({2'000, std::nullopt});
    CHECK(down[0]->take_turn(start, 1 << 20).bytes == 1 << 20); // for who has it still
    Bandwidths later_up;
    Bandwidths later_down;
    limits.add_to(later_up, later_down);
    CHECK(later_up.size() == 1);
    CHECK(later_down.empty());
}
