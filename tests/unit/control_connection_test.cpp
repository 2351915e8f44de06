// Two ends of a control connection, or one end and a peer played by hand.
#include <doctest/doctest.h>

#include "common/error.hpp"
#include "common/protocol/control_connection.hpp"
#include "common/task_group.hpp"
#include "tests/unit/io.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

// Neither sent nor missed during a test, except for the one at the start.
constexpr ControlConnection::Heartbeats quiet{1min, 1min};

// One end that is ours, with what came and how it ended.
class End {
public:
    End(asio::io_context& io, tcp::socket socket, ControlConnection::Heartbeats heartbeats)
        : connection(std::move(socket), heartbeats), tasks(io.get_executor())
    {
        tasks.spawn("end", watch());
    }

    ControlConnection connection;
    std::vector<Frame> frames; // without heartbeats
    bool ended = false;
    std::error_code error;
    std::string what;
    TaskGroup tasks;

private:
    awaitable<void> watch()
    {
        try {
            co_await connection.run([this](Frame& frame) {
                if (!std::holds_alternative<Heartbeat>(frame))
                    frames.push_back(frame);
            });
        } catch (const std::system_error& failure) {
            ended = true;
            error = failure.code();
            what = failure.what();
        }
    }
};

Announce numbered(std::uint8_t number)
{
    return {{}, std::to_string(number), ""};
}

// Everything that comes until the end of the connection.
std::string rest_of(tcp::socket& socket)
{
    std::string bytes;
    std::error_code error;
    asio::read(socket, asio::dynamic_buffer(bytes), error);
    CHECK(error == asio::error::eof);
    return bytes;
}

void write(tcp::socket& socket, const std::string& bytes)
{
    asio::write(socket, asio::buffer(bytes));
}

} // namespace

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
    sender.connection.set_peer_timeout(60ms);
    REQUIRE(run_until(io, [&] { return receiver.connection.received() == 4; }));
    CHECK(Clock::now() - begin >= 40ms); // every 20 ms, the first when the timeout was told
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
    FrameReader reader(pair.there);
    run(io, [&]() -> awaitable<void> {
        co_await reader.next(); // the heartbeat at the start
        co_await send(pair.there, encode(Probe()));
        const Frame answer = co_await reader.next();
        CHECK((answer == Frame(Heartbeat())));
    });
    CHECK((end.frames == std::vector<Frame>{Probe()}));
    end.tasks.cancel();
    CHECK(runs_dry(io));
}

TEST_CASE("posted frames arrive once each and in order")
{
    asio::io_context io;
    SocketPair pair(io);
    End sender(io, std::move(pair.here), {1ms, 1min}); // heartbeats come between
    End receiver(io, std::move(pair.there), quiet);
    std::vector<Frame> sent;
    for (int round = 0; round < 20; ++round) {
        for (int i = 0; i < 50; ++i) {
            sent.emplace_back(numbered(static_cast<std::uint8_t>(i)));
            sender.connection.post(sent.back());
        }
        REQUIRE(run_until(io, [&] { return receiver.frames.size() * 2 >= sent.size(); }));
    }
    REQUIRE(run_until(io, [&] { return receiver.frames.size() == sent.size(); }));
    CHECK((receiver.frames == sent));
    sender.tasks.cancel();
    CHECK(runs_dry(io));
}

TEST_CASE("finish sends what is queued, then a goodbye, then the end of the connection")
{
    asio::io_context io;
    SocketPair pair(io);
    End end(io, std::move(pair.here), quiet);
    end.connection.post(numbered(1));
    end.connection.post(numbered(2));
    end.connection.finish("enough");
    end.connection.post(numbered(3)); // too late
    CHECK(runs_dry(io));
    CHECK(end.ended);
    const std::string queued =
        encode(numbered(1)) + encode(numbered(2)) + encode(Goodbye{"enough"});
    const std::string rest = rest_of(pair.there);
    CHECK((rest == queued || rest == queued + encode(Heartbeat())));
}

TEST_CASE("a peer that does not take its frames loses the connection")
{
    asio::io_context io;
    SocketPair pair(io);
    End end(io, std::move(pair.here), quiet);
    std::size_t posted = 0;
    const Notice notice{std::string(longest_text, 'x')};
    while (!end.ended && posted < 64 * 1024 * 1024) {
        end.connection.post(notice);
        posted += longest_text;
        io.poll();
    }
    CHECK(end.error == std::errc::no_buffer_space);
    CHECK(end.what.starts_with("the peer does not take its frames"));
    CHECK(posted > ControlConnection::largest_outbox);
    CHECK(runs_dry(io));
}

TEST_CASE("a peer that takes its frames may be sent any number")
{
    asio::io_context io;
    SocketPair pair(io);
    End sender(io, std::move(pair.here), quiet);
    End receiver(io, std::move(pair.there), quiet);
    const Notice notice{std::string(longest_text, 'x')};
    for (std::size_t sent = 0; sent < 4096;) {
        for (int i = 0; i < 512; ++i, ++sent)
            sender.connection.post(notice);
        REQUIRE(run_until(io, [&] { return receiver.frames.size() == sent; }));
        receiver.frames.reserve(4096);
    }
    CHECK_FALSE(sender.ended);
    sender.tasks.cancel();
    CHECK(runs_dry(io));
}

TEST_CASE("only the first end counts, and nothing is posted after it")
{
    asio::io_context io;
    SocketPair pair(io);
    End end(io, std::move(pair.here), quiet);
    REQUIRE(run_until(io, [&] { return pair.there.available() > 0; }));
    end.connection.end(Errc::rejected, "first");
    end.connection.end(Errc::unknown_ticket, "second");
    end.connection.post(numbered(1));
    end.connection.finish("too late");
    CHECK(runs_dry(io));
    CHECK(end.error == Errc::rejected);
    CHECK(end.what == "first: rejected by the remote proxy");
    CHECK(rest_of(pair.there) == encode(Heartbeat()));
}

TEST_CASE("a connection may be ended while a frame is looked at")
{
    asio::io_context io;
    SocketPair pair(io);
    ControlConnection connection(std::move(pair.here), quiet);
    write(pair.there, encode(numbered(1)) + encode(numbered(2)));
    int seen = 0;
    const auto failure = failure_of(io, connection.run([&](Frame&) {
        ++seen;
        connection.end(Errc::rejected);
    }));
    CHECK(failure.code() == Errc::rejected);
    CHECK(seen == 1);
    CHECK(runs_dry(io));
}

TEST_CASE("a peer that closes and a peer that talks nonsense are told apart")
{
    asio::io_context io;
    SocketPair pair(io);
    const tcp::endpoint peer = pair.here.remote_endpoint();
    End end(io, std::move(pair.here), quiet);
    CHECK(end.connection.peer() == peer);
    SUBCASE("closed")
    {
        pair.there.shutdown(tcp::socket::shutdown_send);
        CHECK(runs_dry(io));
        CHECK(end.error == Errc::closed_by_peer);
    }
    SUBCASE("nonsense")
    {
        write(pair.there, "GET / HTTP/1.1\r\n\r\n" + std::string(20'000, ' '));
        CHECK(runs_dry(io));
        CHECK(end.error == Errc::malformed_frame);
    }
    CHECK(end.connection.peer() == peer);
}
