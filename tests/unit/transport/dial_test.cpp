#include <doctest/doctest.h>

#include "common/base/error.hpp"
#include "common/base/task_group.hpp"
#include "common/transport/dial.hpp"
#include "common/transport/listener.hpp"
#include "tests/support/stream.hpp"
#include "tests/unit/io.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

tcp::endpoint endpoint(const char* ip, std::uint16_t port)
{
    return {asio::ip::make_address(ip), port};
}

// Where nobody answers: the one place for a connection that is not accepted yet is taken, so the
// kernel drops every further attempt.
class SilentServer {
public:
    explicit SilentServer(asio::io_context& io) : acceptor_(io, tcp::v4()), taken_(io)
    {
        acceptor_.bind(loopback());
        acceptor_.listen(0);
        taken_.connect(acceptor_.local_endpoint());
    }

    tcp::endpoint endpoint() const { return acceptor_.local_endpoint(); }

private:
    tcp::acceptor acceptor_;
    tcp::socket taken_;
};

// Who was reached, and after how long.
struct Reached {
    tcp::endpoint endpoint;
    Clock::duration time;
};

Reached reached(asio::io_context& io, const std::vector<tcp::endpoint>& endpoints)
{
    Reached reached;
    const auto begin = Clock::now();
    run(io, [&]() -> awaitable<void> {
        Dial dial(io.get_executor(), endpoints, 10s);
        const Dialled dialled = co_await dial.finish();
        reached.endpoint = dialled.peer;
    });
    reached.time = Clock::now() - begin;
    return reached;
}

std::system_error failure(asio::io_context& io, const std::vector<tcp::endpoint>& endpoints,
                          Clock::duration limit)
{
    Dial dial(io.get_executor(), endpoints, limit);
    const auto finish = [&]() -> awaitable<void> { co_await dial.finish(); };
    return failure_of(io, finish());
}

// A port that refuses, and one that accepts.
struct Ports {
    explicit Ports(asio::io_context& io) : refusing(io, loopback()), accepting(io, loopback())
    {
        accepting.open();
    }

    Listener refusing; // bound, not open
    Listener accepting;
};

} // namespace

TEST_CASE("addresses are tried with the families in turn, beginning with the first")
{
    const auto a = endpoint("2001:db8::1", 1);
    const auto b = endpoint("2001:db8::2", 1);
    const auto c = endpoint("2001:db8::3", 1);
    const auto x = endpoint("192.0.2.1", 1);
    const auto y = endpoint("192.0.2.2", 1);
    using Endpoints = std::vector<tcp::endpoint>;
    CHECK(interleave({a, b, c, x, y}) == Endpoints{a, x, b, y, c});
    CHECK(interleave({x, a, b, y}) == Endpoints{x, a, y, b});
    CHECK(interleave({x, y, a}) == Endpoints{x, a, y});
    CHECK(interleave({a, b}) == Endpoints{a, b});
    CHECK(interleave({x}) == Endpoints{x});
    CHECK(interleave({}).empty());
}

TEST_CASE("the first address that accepts is taken")
{
    asio::io_context io;
    const Ports ports(io);
    const Ports others(io);
    const auto result = reached(io, {ports.accepting.endpoint(), others.accepting.endpoint()});
    CHECK(result.endpoint == ports.accepting.endpoint());
    CHECK(runs_dry(io));
}

TEST_CASE("when the first refuses the second is tried at once")
{
    asio::io_context io;
    const Ports ports(io);
    const auto refusing = ports.refusing.endpoint();
    const auto result = reached(io, {refusing, refusing, refusing, ports.accepting.endpoint()});
    CHECK(result.endpoint == ports.accepting.endpoint());
    CHECK(result.time < 500ms); // with the delay it would be 750 ms
    CHECK(runs_dry(io));
}

TEST_CASE("when all fail the failure of the first is told")
{
    asio::io_context io;
    const Ports ports(io);
    const auto refusing = ports.refusing.endpoint();
    const auto unreachable = endpoint("255.255.255.255", 1); // no TCP to a broadcast address
    CHECK(failure(io, {refusing}, 10s).code() == std::errc::connection_refused);
    CHECK(failure(io, {refusing, unreachable}, 10s).code() == std::errc::connection_refused);
    CHECK(failure(io, {unreachable, refusing}, 10s).code() == std::errc::network_unreachable);
    CHECK(runs_dry(io));
}

TEST_CASE("without any address nothing is dialled")
{
    asio::io_context io;
    CHECK(failure(io, {}, 10s).code() == Errc::cannot_resolve);
}

TEST_CASE("an address that does not answer within the limit is timed out")
{
    asio::io_context io;
    const SilentServer silent(io);
    const auto begin = Clock::now();
    CHECK(failure(io, {silent.endpoint()}, 50ms).code() == std::errc::timed_out);
    CHECK(Clock::now() - begin >= 50ms);
    CHECK(Clock::now() - begin < 5s);
    CHECK(runs_dry(io)); // the attempt has ended too
}

TEST_CASE("an address that does not answer delays the next by a quarter of a second")
{
    asio::io_context io;
    const SilentServer silent(io);
    const Ports ports(io);
    const auto before = open_descriptors();
    const auto result = reached(io, {silent.endpoint(), ports.accepting.endpoint()});
    CHECK(result.endpoint == ports.accepting.endpoint());
    CHECK(result.time >= 250ms);
    CHECK(runs_dry(io));
    CHECK(open_descriptors() == before); // the loser is closed, and so is the winner by now
}

TEST_CASE("after one that refuses the next is tried at once, also while an older is not decided")
{
    asio::io_context io;
    const SilentServer silent(io);
    const Ports ports(io);
    const auto refusing = ports.refusing.endpoint();
    const auto result =
        reached(io, {silent.endpoint(), refusing, refusing, refusing, ports.accepting.endpoint()});
    CHECK(result.endpoint == ports.accepting.endpoint());
    CHECK(result.time < 750ms); // 250 ms for the silent one; 1 s if those that refuse cost as much
    CHECK(runs_dry(io));
}

TEST_CASE("several attempts race, and those that lose are closed")
{
    asio::io_context io;
    const SilentServer silent(io);
    const Ports ports(io);
    const auto before = open_descriptors();
    const auto result =
        reached(io, {silent.endpoint(), silent.endpoint(), ports.accepting.endpoint()});
    CHECK(result.endpoint == ports.accepting.endpoint());
    CHECK(result.time >= 500ms);
    CHECK(runs_dry(io));
    CHECK(open_descriptors() == before);
}

TEST_CASE("a dial that is cancelled closes its attempts")
{
    asio::io_context io;
    const SilentServer silent(io);
    const auto before = open_descriptors();
    TaskGroup tasks(io.get_executor());
    bool connected = false;
    const auto caller = [&]() -> awaitable<void> {
        std::vector<tcp::endpoint> endpoints(3, silent.endpoint());
        Dial dial(io.get_executor(), endpoints, 1h);
        co_await dial.finish();
        connected = true;
    };
    tasks.spawn("caller", caller());
    io.poll();
    CHECK(open_descriptors() == before + 1);
    tasks.cancel();
    CHECK(runs_dry(io));
    CHECK_FALSE(connected);
    CHECK(open_descriptors() == before);
}

TEST_CASE("the last of many silent addresses has its turn within the limit")
{
    asio::io_context io;
    const SilentServer silent(io);
    const Ports ports(io);
    std::vector<tcp::endpoint> endpoints(24, silent.endpoint());
    endpoints.push_back(ports.accepting.endpoint());
    for (const auto limit : {1s, 4s}) {
        tcp::endpoint reached_endpoint;
        run(io, [&]() -> awaitable<void> {
            Dial dial(io.get_executor(), endpoints, limit);
            const Dialled dialled = co_await dial.finish();
            reached_endpoint = dialled.peer;
        });
        CHECK(reached_endpoint == ports.accepting.endpoint());
    }
}
