#include <doctest/doctest.h>

#include <fcntl.h>

#include "common/base/error.hpp"
#include "common/base/task_group.hpp"
#include "remote-proxy/fronts/proxy_reader.hpp"
#include "tests/support/stream.hpp"
#include "tests/unit/io.hpp"

using namespace std::chrono_literals;
using namespace std::string_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

const tcp::endpoint visitor(asio::ip::make_address("192.0.2.1"), 50000);
const tcp::endpoint outside(asio::ip::make_address("198.51.100.7"), 443);
const ProxyAddresses addresses{visitor, outside};

std::vector<std::string> both_versions()
{
    return {proxy_header_v1(visitor, outside), proxy_header_v2(visitor, outside)};
}

// A load balancer, and the socket that the remote proxy has accepted from it.
struct Balanced {
    Connected pair = connected();
    Stream& balancer = pair.here;
    Fd socket = pair.there.release();

    std::optional<ProxyAddresses> read(asio::io_context& io)
    {
        std::optional<ProxyAddresses> result;
        run(io, [&]() -> awaitable<void> {
            result = co_await read_proxy_header(socket, Clock::now() + patience);
        });
        return result;
    }

    std::error_code failure(asio::io_context& io, Clock::duration limit = patience)
    {
        return failure_of(io, read_proxy_header(socket, Clock::now() + limit)).code();
    }

    // Everything that was left, once the balancer has finished.
    std::string rest()
    {
        balancer.finish();
        return Stream(std::move(socket)).receive_all();
    }
};

// A reading that the test goes on with step by step.
struct Reading {
    explicit Reading(Fd& socket, Clock::duration limit = patience)
    {
        tasks.spawn("reading a header", read(socket, Clock::now() + limit));
    }

    ~Reading()
    {
        tasks.cancel();
        CHECK(runs_dry(io));
    }

    awaitable<void> read(Fd& socket, Clock::time_point deadline)
    {
        try {
            result = co_await read_proxy_header(socket, deadline);
        } catch (const std::system_error& error) {
            failure = error.code();
        }
        ended = true;
    }

    asio::io_context io{1};
    TaskGroup tasks{io.get_executor()};
    std::optional<ProxyAddresses> result;
    std::error_code failure;
    bool ended = false;
};

} // namespace

TEST_CASE("a header that came whole is taken, and nothing behind it")
{
    asio::io_context io;
    for (const std::string& header : both_versions()) {
        for (const std::string& behind : {""s, "\r\n"s, "hello"s, header, random_text(9000, 1)}) {
            Balanced balanced;
            balanced.balancer.send(header + behind);
            CHECK(balanced.read(io) == addresses);
            CHECK(balanced.rest() == behind);
        }
    }
}

TEST_CASE("a header without addresses is taken too")
{
    asio::io_context io;
    for (const std::string& header : {unknown_proxy_header_v1(), local_proxy_header_v2()}) {
        Balanced balanced;
        balanced.balancer.send(header + "hello");
        CHECK(balanced.read(io) == std::nullopt);
        CHECK(balanced.rest() == "hello");
    }
}

TEST_CASE("a header that comes one byte at a time is waited for without spinning")
{
    for (const std::string& header : both_versions()) {
        Balanced balanced;
        Reading reading(balanced.socket);
        std::size_t turns = reading.io.poll();
        for (const char byte : header.substr(0, header.size() - 1)) {
            balanced.balancer.send(std::string(1, byte));
            turns += reading.io.run_one_for(patience);
            turns += reading.io.poll();
            REQUIRE_FALSE(reading.ended);
        }
        balanced.balancer.send(header.back() + "behind"s);
        CHECK(run_until(reading.io, [&] { return reading.ended; }));
        CHECK(reading.result == addresses);
        CHECK(balanced.rest() == "behind");
        // The wait, the end of the timer's, and the two that wait for them.
        CHECK(turns <= 10 * header.size());
    }
}

TEST_CASE("a header that is not whole by the deadline is given up, and not spun for meanwhile")
{
    for (const std::string& header : both_versions()) {
        for (const std::size_t size : {std::size_t(0), std::size_t(1), header.size() - 1}) {
            Balanced balanced;
            balanced.balancer.send(header.substr(0, size));
            Reading reading(balanced.socket, 50ms);
            CHECK(reading.io.run_for(patience) < 20);
            CHECK(reading.ended);
            CHECK(reading.failure == std::errc::timed_out);
            CHECK(balanced.socket.is_open());
        }
    }
}

TEST_CASE("a header that drips is given up at the deadline too")
{
    Balanced balanced;
    Reading reading(balanced.socket, 50ms);
    balanced.balancer.send("PROXY UNKNOWN ");
    // Never more than a line may have: it is the deadline that ends it.
    for (int i = 0; i < 90 && !reading.ended; ++i) {
        balanced.balancer.send("x");
        reading.io.run_one_for(1ms);
    }
    CHECK(run_until(reading.io, [&] { return reading.ended; }));
    CHECK(reading.failure == std::errc::timed_out);
}

TEST_CASE("a header that is there is taken even though the deadline has passed")
{
    asio::io_context io;
    Balanced balanced;
    balanced.balancer.send(proxy_header_v1(visitor, outside));
    CHECK_FALSE(balanced.failure(io, -1s));
}

TEST_CASE("a stream that ends before its header is whole has none")
{
    asio::io_context io;
    for (const std::string& header : both_versions()) {
        Balanced nothing;
        nothing.balancer.finish();
        CHECK(nothing.failure(io) == asio::error::eof);
        Balanced part;
        part.balancer.send(header.substr(0, header.size() - 1));
        part.balancer.finish();
        CHECK(part.failure(io) == Errc::closed_by_peer);
        CHECK(part.socket.is_open());
        Balanced while_waiting;
        Reading reading(while_waiting.socket);
        while_waiting.balancer.send(header.substr(0, 1));
        reading.io.run_one_for(patience);
        while_waiting.balancer.finish();
        CHECK(run_until(reading.io, [&] { return reading.ended; }));
        CHECK(reading.failure == Errc::closed_by_peer);
    }
}

TEST_CASE("a reset while a header is waited for is told")
{
    Balanced balanced;
    Reading reading(balanced.socket);
    reading.io.poll();
    balanced.balancer.reset();
    CHECK(run_until(reading.io, [&] { return reading.ended; }));
    CHECK(reading.failure == std::errc::connection_reset);
}

TEST_CASE("what is no header is told at once, and left where it is")
{
    asio::io_context io;
    for (const std::string& junk : {"GET / HTTP/1.1\r\n\r\n"s, "x"s, "\0"s, "PROXY\r\n"s,
                                    "\r\n\r\nQ"s, random_text(9000, 1)}) {
        Balanced balanced;
        balanced.balancer.send(junk);
        CHECK(balanced.failure(io) == Errc::no_proxy_header);
        CHECK(balanced.rest() == junk);
    }
}

TEST_CASE("a malformed header is told at once, also one of a giant length")
{
    asio::io_context io;
    const std::string signature = local_proxy_header_v2().substr(0, 12);
    for (const std::string& header :
         {"PROXY TCP4 192.0.2.1\r\n"s, "PROXY UNKNOWN "s + std::string(200, 'x'),
          signature + "\x31", signature + "\x21\x11\xff\xff"s, signature + "\x20\0\xff\xff"s,
          signature + "\x21\x21\0\x0c"s}) {
        Balanced balanced;
        balanced.balancer.send(header);
        CHECK(balanced.failure(io) == Errc::malformed_proxy_header);
        CHECK(balanced.socket.is_open());
    }
}

TEST_CASE("the largest header that there may be is taken, however it comes")
{
    const std::string header = local_proxy_header_v2().substr(0, 14) + "\x0f\xf0"s +
                               std::string(largest_proxy_header - 16, '\0');
    for (const std::size_t piece : {std::size_t(700), header.size()}) {
        Balanced balanced;
        Reading reading(balanced.socket);
        for (std::size_t at = 0; at < header.size(); at += piece) {
            balanced.balancer.send(header.substr(at, piece));
            reading.io.poll();
        }
        balanced.balancer.send("behind");
        CHECK(run_until(reading.io, [&] { return reading.ended; }));
        CHECK_FALSE(reading.failure);
        CHECK(balanced.rest() == "behind");
    }
}

TEST_CASE("a cancelled reading gives the socket back, and leaves nothing open")
{
    const std::size_t before = open_descriptors();
    for (const std::string& sent : {""s, "PROXY "s}) {
        Balanced balanced;
        Reading reading(balanced.socket);
        balanced.balancer.send(sent);
        reading.io.poll();
        CHECK_FALSE(balanced.socket.is_open()); // it is lent
        reading.tasks.cancel();
        CHECK(runs_dry(reading.io));
        CHECK(reading.ended);
        CHECK(reading.failure == asio::error::operation_aborted);
        CHECK(reading.tasks.empty());
        CHECK(balanced.socket.is_open());
        balanced.balancer.send("more");
        CHECK(balanced.rest() == "more");
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("a reading that is dropped with its io_context gives the socket back")
{
    const std::size_t before = open_descriptors();
    {
        Balanced balanced;
        {
            asio::io_context io;
            asio::co_spawn(io, read_proxy_header(balanced.socket, Clock::now() + patience),
                           [](const std::exception_ptr&, const auto&) {});
            io.poll();
            CHECK_FALSE(balanced.socket.is_open());
        }
        CHECK(balanced.socket.is_open());
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("a socket that was waited for stays as it was")
{
    Balanced balanced;
    const int flags = ::fcntl(balanced.socket.get(), F_GETFL);
    ::fcntl(balanced.socket.get(), F_SETFL, flags | O_NONBLOCK);
    const int descriptor = balanced.socket.get();
    Reading reading(balanced.socket);
    reading.io.poll();
    balanced.balancer.send(proxy_header_v1(visitor, outside));
    CHECK(run_until(reading.io, [&] { return reading.ended; }));
    CHECK(balanced.socket.get() == descriptor);
    CHECK(::fcntl(balanced.socket.get(), F_GETFL) == (flags | O_NONBLOCK));
}
