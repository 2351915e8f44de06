// Heartbeats between two ends of a control connection.
#include <doctest/doctest.h>

#include "common/base/error.hpp"
#include "tests/unit/control_end.hpp"
#include "tests/unit/io.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

TEST_CASE("heartbeats are sent, the first at once and then one in each interval")
{
    asio::io_context io;
    SocketPair pair(io);
    const auto begin = Clock::now();
    End sender(io, std::move(pair.here), {20ms, 1min});
    End receiver(io, std::move(pair.there), quiet);
    REQUIRE(run_until(io, [&] { return receiver.connection.received() == 5; }));
    CHECK(Clock::now() - begin >= 80ms);
    CHECK(receiver.frames.empty());
    CHECK(sender.connection.received() == 1);
    sender.tasks.cancel();
    receiver.tasks.cancel();
    CHECK(runs_dry(io));
}

TEST_CASE("a connection whose peer is silent ends after the timeout")
{
    asio::io_context io;
    SocketPair pair(io);
    const auto begin = Clock::now();
    End end(io, std::move(pair.here), {20ms, 60ms});
    CHECK(runs_dry(io));
    CHECK(end.error == Errc::heartbeat_timeout);
    CHECK(Clock::now() - begin >= 60ms);
    CHECK(Clock::now() - begin < 5s);
}

TEST_CASE("a connection whose peer speaks lives longer than the timeout")
{
    asio::io_context io;
    SocketPair pair(io);
    const auto begin = Clock::now();
    End one(io, std::move(pair.here), {10ms, 500ms});
    End other(io, std::move(pair.there), {10ms, 500ms});
    REQUIRE(
        run_until(io, [&] { return Clock::now() - begin > 700ms || one.ended || other.ended; }));
    CHECK_FALSE(one.ended);
    CHECK_FALSE(other.ended);
    one.tasks.cancel();
    CHECK(runs_dry(io));
    CHECK(one.error == asio::error::operation_aborted);
    CHECK(other.error == Errc::closed_by_peer);
}

TEST_CASE("a peer with a shorter timeout gets heartbeats more often")
{
    asio::io_context io;
    SocketPair pair(io);
    End sender(io, std::move(pair.here), quiet);
    End receiver(io, std::move(pair.there), quiet);
    REQUIRE(run_until(io, [&] { return receiver.connection.received() == 1; }));
    const auto begin = Clock::now();
    sender.connection.set_peer_timeout(360ms);
    REQUIRE(run_until(io, [&] { return receiver.connection.received() == 4; }));
    CHECK(Clock::now() - begin >= 240ms); // every 120 ms, the first when the timeout was told
    sender.tasks.cancel();
    CHECK(runs_dry(io));
}

TEST_CASE("a peer with a long timeout, or that tells none, gets them as often as before")
{
    asio::io_context io;
    SocketPair pair(io);
    End sender(io, std::move(pair.here), {20ms, 1min});
    End receiver(io, std::move(pair.there), quiet);
    sender.connection.set_peer_timeout(1h);
    sender.connection.set_peer_timeout(0ms);
    CHECK(run_until(io, [&] { return receiver.connection.received() == 4; }));
    sender.tasks.cancel();
    CHECK(runs_dry(io));
}

TEST_CASE("a probe is answered with a heartbeat at once")
{
    asio::io_context io;
    SocketPair pair(io);
    End end(io, std::move(pair.here), quiet);
    AsyncChannel there(std::move(pair.there));
    FrameReader reader(there);
    run(io, [&]() -> awaitable<void> {
        co_await reader.next(); // the heartbeat at the start
        co_await send(there, encode(Probe()));
        const Frame answer = co_await reader.next();
        CHECK((answer == Frame(Heartbeat())));
    });
    CHECK((end.frames == std::vector<Frame>{Probe()}));
    end.tasks.cancel();
    CHECK(runs_dry(io));
}

TEST_CASE("a peer with the shortest timeout gets ten heartbeats a second and no more")
{
    asio::io_context io;
    SocketPair pair(io);
    End sender(io, std::move(pair.here), quiet);
    End receiver(io, std::move(pair.there), quiet);
    REQUIRE(run_until(io, [&] { return receiver.connection.received() == 1; }));
    const auto begin = Clock::now();
    sender.connection.set_peer_timeout(1ms);
    REQUIRE(run_until(io, [&] { return receiver.connection.received() == 5; }));
    CHECK(Clock::now() - begin >= 300ms);
    CHECK(Clock::now() - begin < 5s);
    sender.tasks.cancel();
    CHECK(runs_dry(io));
}

TEST_CASE("many probes at once get an answer at once, and one for all the others")
{
    asio::io_context io;
    SocketPair pair(io);
    End end(io, std::move(pair.here), quiet);
    std::string probes;
    for (int i = 0; i < 10'000; ++i)
        probes += encode(Probe());
    int answers = -1; // the first is the heartbeat at the start
    AsyncChannel there(std::move(pair.there));
    FrameReader reader(there);
    const auto begin = Clock::now();
    run(io, [&]() -> awaitable<void> {
        co_await send(there, probes);
        while (answers < 2) {
            const Frame answer = co_await reader.next();
            CHECK((answer == Frame(Heartbeat())));
            ++answers;
        }
    });
    CHECK(Clock::now() - begin >= 90ms);
    REQUIRE(run_until(io, [&] { return end.connection.received() == 10'000; }));
    const auto enough = Clock::now() + 300ms;
    run_until(io, [&] { return Clock::now() > enough || end.ended; });
    // For what was still being read when the second answer went.
    CHECK(there.socket().available() <= 3 * (Clock::now() - begin) / 100ms);
    end.tasks.cancel();
    CHECK(runs_dry(io));
}
