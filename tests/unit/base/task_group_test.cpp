#include <doctest/doctest.h>

#include "common/base/code.hpp"
#include "common/base/task_group.hpp"
#include "tests/unit/captured.hpp"
#include "tests/unit/io.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

awaitable<void> fail_later(asio::io_context& io)
{
    co_await asio::post(io, use_awaitable);
    throw std::runtime_error("the reason");
}

awaitable<void> wait_for(Signal& signal, int& count)
{
    co_await signal.wait();
    ++count;
}

// Counts that it began, and that it was unwound.
awaitable<void> wait_forever(int& began, int& unwound)
{
    struct Guard {
        explicit Guard(int& counter) : unwound(counter) {}

        ~Guard() { ++unwound; }

        int& unwound;
    };

    ++began;
    const Guard guard(unwound);
    co_await sleep_for(1h);
}

awaitable<void> throw_number()
{
    throw std::system_error(rejected(Code::in_use), "log in");
    co_return;
}

} // namespace

TEST_CASE("a task that fails is logged once, and the others go on")
{
    asio::io_context io;
    TaskGroup tasks(io.get_executor());
    Signal signal(io.get_executor());
    int done = 0;
    tasks.spawn("first", wait_for(signal, done));
    tasks.spawn("second", fail_later(io));
    const std::string lines = log_of([&] { io.poll(); });
    CHECK(lines.ends_with(" warn  second code=failed reason=\"the reason\"\n"));
    CHECK(std::ranges::count(lines, '\n') == 1);
    CHECK_FALSE(tasks.empty());
    signal.notify();
    CHECK(runs_dry(io));
    CHECK(done == 1);
    CHECK(tasks.empty());
}

TEST_CASE("a task that fails before its first wait is logged like any other")
{
    asio::io_context io;
    TaskGroup tasks(io.get_executor());
    tasks.spawn("origin", throw_number());
    CHECK(log_of([&] { io.run(); })
              .ends_with(
                  " warn  origin code=in_use reason=\"log in: rejected by the remote proxy\"\n"));
    CHECK(tasks.empty());
}

TEST_CASE("cancel reaches every task, destroys what it holds, and logs nothing")
{
    asio::io_context io;
    TaskGroup tasks(io.get_executor());
    int began = 0;
    int unwound = 0;
    for (int i = 0; i < 100; ++i)
        tasks.spawn("sleeper", wait_forever(began, unwound));
    io.poll();
    CHECK(began == 100);
    CHECK(log_of([&] {
              tasks.cancel();
              CHECK(runs_dry(io));
          }) == "");
    CHECK(unwound == 100);
    CHECK(tasks.empty());
}

TEST_CASE("a task that is cancelled before it has begun ends without waiting")
{
    asio::io_context io;
    TaskGroup tasks(io.get_executor());
    int began = 0;
    int unwound = 0;
    tasks.spawn("sleeper", wait_forever(began, unwound));
    tasks.cancel();
    CHECK(runs_dry(io));
    CHECK(began == unwound);
    CHECK(tasks.empty());
}

TEST_CASE("a cancelled task that tries to go on is ended at its next wait")
{
    asio::io_context io;
    TaskGroup tasks(io.get_executor());
    bool went_on = false;
    const auto stubborn = [&]() -> awaitable<void> {
        try {
            co_await sleep_for(1h);
        } catch (const std::system_error&) { // NOLINT(bugprone-empty-catch)
        }
        co_await sleep_for(1h);
        went_on = true;
    };
    tasks.spawn("stubborn", stubborn());
    io.poll();
    tasks.cancel();
    CHECK(runs_dry(io));
    CHECK_FALSE(went_on);
}

TEST_CASE("a task may start another, and a group may be used after a cancel")
{
    asio::io_context io;
    TaskGroup tasks(io.get_executor());
    Signal signal(io.get_executor());
    int done = 0;
    const auto parent = [&]() -> awaitable<void> {
        tasks.spawn("child", wait_for(signal, done));
        co_return;
    };
    tasks.spawn("parent", parent());
    io.poll();
    CHECK_FALSE(tasks.empty());
    tasks.cancel();
    CHECK(runs_dry(io));
    CHECK(tasks.empty());
    tasks.spawn("parent", parent());
    signal.notify();
    CHECK(runs_dry(io));
    CHECK(done == 1);
}
