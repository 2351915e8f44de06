// How long the threads are busy with one thing.
#include <doctest/doctest.h>

#include <algorithm>
#include <ctime>

#include <asio/executor_work_guard.hpp>

#include "common/base/turn_watch.hpp"
#include "common/management/liveness.hpp"
#include "common/relay/loop.hpp"
#include "tests/unit/captured.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

constexpr auto much = 40ms; // of processor time

std::chrono::nanoseconds own_cpu()
{
    timespec used{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

void work_hard()
{
    const auto enough = own_cpu() + much;
    while (own_cpu() < enough) {
    }
}

std::size_t lines_in(const std::string& text)
{
    return static_cast<std::size_t>(std::ranges::count(text, '\n'));
}

// A relay without work, and a loop that lends it its thread.
struct WatchedLoop {
    asio::io_context io{1};
    asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
    Relay relay{{.lent_thread = true}};
    Loop loop{io, relay, 0us};

    ThreadTurns control() { return loop.take_longest_turns().at(0); }
};

} // namespace

TEST_CASE("the longest turn is kept until it is asked for")
{
    TurnWatch watch("control");
    const auto begin = TurnWatch::Clock::now();
    watch.note(begin, begin + 30us);
    watch.note(begin, begin + 50us);
    watch.note(begin, begin + 40us);
    const ThreadTurns turns = watch.take();
    CHECK(turns.thread == "control");
    CHECK(turns.longest == 50us);
    CHECK(turns.over_limit == 0);
    CHECK(watch.take().longest == 0us);
}

TEST_CASE("a turn in which the thread waited is long by the clock and short in processor time")
{
    TurnWatch watch("control");
    const auto begin = TurnWatch::Clock::now();
    watch.note(begin, begin);
    const std::string logged = log_of([&] { watch.note(begin, begin + 300ms); });
    const ThreadTurns turns = watch.take();
    CHECK(turns.longest == 300ms);
    CHECK(turns.longest_cpu < 100ms);
    CHECK(turns.over_limit == 1);
    CHECK(logged.find("thread=control turn=0.300s") != std::string::npos);
}

TEST_CASE("a turn in which the thread worked is as long in processor time")
{
    TurnWatch watch("control");
    watch.woke(TurnWatch::Clock::now());
    const auto begin = TurnWatch::Clock::now();
    work_hard();
    watch.note(begin, TurnWatch::Clock::now());
    const ThreadTurns turns = watch.take();
    CHECK(turns.longest >= much);
    CHECK(turns.longest_cpu >= much - 6ms); // it is too little by five at most
    CHECK(turns.longest_cpu <= turns.longest);
}

TEST_CASE("long turns are logged at once and then rarely, with the number that is left out")
{
    TurnWatch watch("relay-1");
    const auto begin = TurnWatch::Clock::now();
    const auto long_turn_after = [&](std::chrono::seconds after, std::chrono::milliseconds took) {
        watch.note(begin + after, begin + after + took);
    };
    std::string logged = log_of([&] {
        long_turn_after(0s, 101ms);
        for (int i = 0; i < 500; ++i)
            long_turn_after(1s, 200ms);
        long_turn_after(2s, 400ms);
        long_turn_after(3s, 99ms);
        long_turn_after(9s, 100ms);
    });
    CHECK(lines_in(logged) == 1);
    CHECK(logged.find("left-out=0") != std::string::npos);
    logged = log_of([&] { long_turn_after(11s, 150ms); });
    CHECK(lines_in(logged) == 1);
    CHECK(logged.find("turn=0.150s") != std::string::npos);
    CHECK(logged.find("left-out=501 left-out-cpu=0.000s") != std::string::npos);
    CHECK(watch.take().over_limit == 503);
    CHECK(watch.take().over_limit == 503); // a counter
}

TEST_CASE("one handler that takes long shows, whether the loop slept before it or not")
{
    WatchedLoop watched;
    asio::post(watched.io, [] {});
    watched.loop.run_some();
    asio::post(watched.io, work_hard);
    watched.loop.run_some();
    const ThreadTurns at_once = watched.control();
    CHECK(at_once.longest >= much);
    CHECK(at_once.longest_cpu >= much - 6ms);
    CHECK(watched.control().longest == 0ms);

    Timer timer(watched.io, 20ms); // the loop has to sleep
    timer.async_wait([](std::error_code) { work_hard(); });
    ThreadTurns turns = watched.control();
    for (const auto limit = Clock::now() + 5s; Clock::now() < limit && turns.longest < much - 6ms;
         turns = watched.control())
        watched.loop.run_some();
    CHECK(turns.longest >= much - 6ms);
    CHECK(turns.longest_cpu >= much - 6ms);
}

TEST_CASE("a loop that sleeps has no long turn")
{
    WatchedLoop watched;
    Timer timer(watched.io, 150ms);
    bool woken = false;
    timer.async_wait([&woken](std::error_code) { woken = true; });
    const std::string logged = log_of([&] {
        while (!woken)
            watched.loop.run_some();
    });
    CHECK(logged == "");
    CHECK(watched.control().longest_cpu < 100ms);
}

TEST_CASE("the metrics have the turns of each thread")
{
    Metrics metrics;
    add_turns({{"control", 20ms, 10ms, 3}, {"relay-1", 1ms, 1ms, 0}}, metrics);
    const std::string text = metrics.response().body;
    CHECK(text.find("tunnel_longest_turn_seconds{thread=\"control\"} 0.02\n") != std::string::npos);
    CHECK(text.find("tunnel_longest_turn_cpu_seconds{thread=\"control\"} 0.01\n") !=
          std::string::npos);
    CHECK(text.find("tunnel_long_turns_total{thread=\"control\"} 3\n") != std::string::npos);
    CHECK(text.find("tunnel_longest_turn_seconds{thread=\"relay-1\"} 0.001\n") !=
          std::string::npos);
}
