// Two ends of a control connection, or one end and a peer played by hand.
#include <doctest/doctest.h>

#include "common/base/error.hpp"
#include "tests/unit/control_end.hpp"
#include "tests/unit/io.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

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

} // namespace

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
    end.connection.finish({Code::goodbye, "enough"});
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
    CHECK(end.error == Errc::peer_takes_nothing);
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
    end.connection.end(Errc::unknown_ticket, "first");
    end.connection.end(Errc::unknown_ticket, "second");
    end.connection.post(numbered(1));
    end.connection.finish({Code::goodbye, "too late"});
    CHECK(runs_dry(io));
    CHECK(end.error == Errc::unknown_ticket);
    CHECK(end.what == "first: unknown ticket");
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
        connection.end(Errc::unknown_ticket);
    }));
    CHECK(failure.code() == Errc::unknown_ticket);
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
