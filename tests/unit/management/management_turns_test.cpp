// Turns of the management connections.
#include <doctest/doctest.h>

#include <ctime>
#include <functional>
#include <string>

#include "common/base/task_group.hpp"
#include "common/management/turns.hpp"

using namespace std::chrono_literals;
using namespace tunnel;

namespace {

std::chrono::nanoseconds own_cpu()
{
    timespec used{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

// Works for so long in each of its turns, and writes its name.
awaitable<void> work(ManagementTurns& turns, char name, int times, std::chrono::milliseconds time,
                     std::string& order)
{
    for (int i = 0; i < times; ++i) {
        co_await turns.next();
        order += name;
        for (const auto enough = own_cpu() + time; own_cpu() < enough;) {
        }
    }
    turns.over();
}

struct Working {
    asio::io_context io{1};
    ManagementTurns turns{io.get_executor()};
    TaskGroup tasks{io.get_executor()};
    std::string order;

    void add(char name, int times, std::chrono::milliseconds time = 0ms)
    {
        tasks.spawn("working", work(turns, name, times, time, order));
    }
};

} // namespace

TEST_CASE("those who ask for turns have them one after the other")
{
    Working working;
    working.add('a', 4);
    working.add('b', 4);
    working.add('c', 2);
    working.io.run();
    CHECK(working.order == "abcabcabab");
}

TEST_CASE("between two turns everything else has its own")
{
    Working working;
    working.add('a', 50, 1ms);
    working.add('b', 50, 1ms);
    std::size_t others = 0;
    std::function<void()> other = [&] {
        ++others;
        if (!working.tasks.empty())
            asio::post(working.io, other);
    };
    asio::post(working.io, other);
    std::size_t turns = 0;
    std::size_t others_before = 0;
    while (!working.tasks.empty() && working.io.run_one() > 0) {
        if (working.order.size() == turns)
            continue;
        REQUIRE(working.order.size() == turns + 1); // one handler is one turn at most
        CHECK((turns == 0 || others > others_before));
        turns = working.order.size();
        others_before = others;
    }
    CHECK(turns == 100);
}

TEST_CASE("all turns together take a part of the time")
{
    Working working;
    const auto began = Clock::now();
    working.add('a', 5, 4ms);
    working.add('b', 5, 4ms);
    working.io.run();
    // Nine pauses, each three times as long as a turn.
    CHECK(Clock::now() - began >= 10 * 4ms + 9 * 12ms);
}

TEST_CASE("a pause has a limit")
{
    Working working;
    working.add('a', 1, 200ms);
    working.io.run();
    // By the clock, which a loaded machine stretches: half of what it would be without the limit.
    working.io.restart();
    const auto began = Clock::now();
    working.add('a', 1);
    working.io.run();
    CHECK(Clock::now() - began < 300ms);
}

TEST_CASE("whoever is cancelled while waiting leaves the turns to the others")
{
    Working working;
    TaskGroup others{working.io.get_executor()};
    others.spawn("working", work(working.turns, 'x', 3, 20ms, working.order));
    working.add('a', 2);
    for (int i = 0; i < 3; ++i)
        working.io.poll_one();
    others.cancel();
    working.io.run();
    CHECK(working.order.ends_with("aa"));
    CHECK(working.tasks.empty());
    CHECK(others.empty());
}
