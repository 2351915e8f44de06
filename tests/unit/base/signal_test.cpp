#include <doctest/doctest.h>

#include "common/base/task_group.hpp"
#include "tests/unit/io.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

awaitable<void> wait_for(Signal& signal, int& count)
{
    co_await signal.wait();
    ++count;
}

} // namespace

TEST_CASE("a signal wakes who waits, and who comes after it, once")
{
    asio::io_context io;
    Signal signal(io.get_executor());
    int woken = 0;
    signal.notify();
    signal.notify();
    run(io, [&] { return wait_for(signal, woken); });
    CHECK(woken == 1);
    run(io, [&] { return signal.wait_until(Clock::now() + 20ms); }); // not notified any more
    TaskGroup tasks(io.get_executor());
    tasks.spawn("waiter", wait_for(signal, woken));
    io.restart();
    io.poll();
    CHECK(woken == 1);
    signal.notify();
    CHECK(runs_dry(io));
    CHECK(woken == 2);
}

TEST_CASE("a signal's wait ends at its limit, and with operation_aborted when it is cancelled")
{
    asio::io_context io;
    Signal signal(io.get_executor());
    const auto begin = Clock::now();
    run(io, [&] { return signal.wait_until(begin + 30ms); });
    CHECK(Clock::now() - begin >= 30ms);
    TaskGroup tasks(io.get_executor());
    std::error_code end;
    const auto waiter = [&]() -> awaitable<void> {
        try {
            co_await signal.wait();
        } catch (const std::system_error& error) {
            end = error.code();
        }
    };
    tasks.spawn("waiter", waiter());
    io.restart();
    io.poll();
    tasks.cancel();
    CHECK(runs_dry(io));
    CHECK(end == asio::error::operation_aborted);
}

TEST_CASE("a signal wakes all that wait, and none that comes after them")
{
    asio::io_context io;
    Signal signal(io.get_executor());
    TaskGroup tasks(io.get_executor());
    int woken = 0;
    for (int i = 0; i < 3; ++i)
        tasks.spawn("waiter", wait_for(signal, woken));
    io.poll();
    CHECK(woken == 0);
    signal.notify();
    CHECK(runs_dry(io));
    CHECK(woken == 3);
    tasks.spawn("too late", wait_for(signal, woken));
    io.restart();
    io.poll();
    CHECK(woken == 3);
    signal.notify();
    CHECK(runs_dry(io));
    CHECK(woken == 4);
}

TEST_CASE("one who waits may be cancelled while others wait on for the signal")
{
    asio::io_context io;
    Signal signal(io.get_executor());
    TaskGroup impatient(io.get_executor());
    TaskGroup patient(io.get_executor());
    int woken = 0;
    patient.spawn("first", wait_for(signal, woken));
    impatient.spawn("second", wait_for(signal, woken));
    patient.spawn("third", wait_for(signal, woken));
    io.poll();
    impatient.cancel();
    io.poll();
    CHECK(impatient.empty());
    CHECK(woken == 0);
    signal.notify();
    CHECK(runs_dry(io));
    CHECK(woken == 2);
}

TEST_CASE("a time that is over does not wait, and one who yields lets others have a turn")
{
    asio::io_context io;
    TaskGroup tasks(io.get_executor());
    std::string order;
    const auto first = [&]() -> awaitable<void> {
        order += 'a';
        co_await yield_to_others();
        order += 'c';
        co_await sleep_for(-1h);
        order += 'd';
    };
    const auto second = [&]() -> awaitable<void> {
        order += 'b';
        co_return;
    };
    tasks.spawn("first", first());
    tasks.spawn("second", second());
    CHECK(runs_dry(io));
    CHECK(order == "abcd");
}
