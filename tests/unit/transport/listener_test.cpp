#include <doctest/doctest.h>

#include <fcntl.h>

#include "common/transport/listener.hpp"
#include "common/transport/socket.hpp"
#include "tests/unit/io.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

std::error_code connect(tcp::socket& socket, const tcp::endpoint& endpoint)
{
    std::error_code error;
    if (socket.is_open())
        socket.close();
    socket.connect(endpoint, error);
    return error;
}

std::error_code connect_once(asio::io_context& io, const tcp::endpoint& endpoint)
{
    tcp::socket socket(io);
    return connect(socket, endpoint);
}

// Waits for a connection and takes it.
Listener::Accepted accept_from(asio::io_context& io, Listener& listener)
{
    run(io, [&] { return listener.wait(); });
    std::error_code error;
    auto accepted = listener.accept(error);
    REQUIRE_MESSAGE(accepted.has_value(), error.message());
    return std::move(*accepted);
}

// Why nobody else can have `endpoint`; "" if somebody can.
std::string obstacle(asio::io_context& io, const tcp::endpoint& endpoint)
{
    try {
        Listener other(io, endpoint);
        other.open();
        return "";
    } catch (const std::system_error& error) {
        CHECK(error.code() == asio::error::address_in_use);
        return error.what();
    }
}

} // namespace

TEST_CASE("a listener refuses before it is open, and takes connections after")
{
    asio::io_context io;
    Listener listener(io, loopback());
    CHECK(listener.endpoint().port() != 0);
    CHECK_FALSE(listener.is_open());
    CHECK(connect_once(io, listener.endpoint()) == asio::error::connection_refused);
    listener.open();
    listener.open(); // once more changes nothing
    CHECK(listener.is_open());
    tcp::socket socket(io);
    REQUIRE_FALSE(connect(socket, listener.endpoint()));
    const auto accepted = accept_from(io, listener);
    CHECK(accepted.peer == socket.local_endpoint());
    CHECK((::fcntl(accepted.socket.get(), F_GETFL) & O_NONBLOCK) != 0);
    CHECK((::fcntl(accepted.socket.get(), F_GETFD) & FD_CLOEXEC) != 0);
    std::error_code error;
    CHECK_FALSE(listener.accept(error));
    CHECK(error == std::errc::operation_would_block);
}

TEST_CASE("a shut listener refuses, and opens again with the same port, any number of times")
{
    asio::io_context io;
    Listener listener(io, loopback());
    const tcp::endpoint endpoint = listener.endpoint();
    listener.shut(); // not open: changes nothing
    for (int i = 0; i < 3; ++i) {
        listener.open();
        tcp::socket socket(io);
        REQUIRE_FALSE(connect(socket, endpoint));
        CHECK(accept_from(io, listener).peer == socket.local_endpoint());
        listener.shut();
        listener.shut();
        CHECK_FALSE(listener.is_open());
        CHECK(connect_once(io, endpoint) == asio::error::connection_refused);
        CHECK(listener.endpoint() == endpoint);
    }
}

TEST_CASE("nobody else can have the port of a listener, whether it is open, shut or neither")
{
    asio::io_context io;
    Listener chosen_by_kernel(io, loopback());
    std::optional<Listener> asked_for(std::in_place, io, loopback());
    const tcp::endpoint endpoint = asked_for->endpoint();
    asked_for.reset();
    asked_for.emplace(io, endpoint);
    for (Listener* const listener : {&chosen_by_kernel, &*asked_for}) {
        CHECK(obstacle(io, listener->endpoint()) != "");
        for (int i = 0; i < 2; ++i) {
            listener->open();
            CHECK(obstacle(io, listener->endpoint()) != "");
            CHECK_FALSE(connect_once(io, listener->endpoint()));
            listener->shut();
            CHECK(obstacle(io, listener->endpoint()) != "");
        }
        listener->open(); // and after all these tries it is still ours
        CHECK_FALSE(connect_once(io, listener->endpoint()));
    }
}

TEST_CASE("another program cannot take the port of a shut listener with SO_REUSEADDR")
{
    asio::io_context io;
    Listener listener(io, loopback());
    listener.open();
    listener.shut();
    std::error_code error;
    tcp::acceptor other(io, tcp::v4());
    other.set_option(tcp::acceptor::reuse_address(true));
    other.bind(listener.endpoint(), error);
    CHECK(error == asio::error::address_in_use);
}

TEST_CASE("an address that cannot be had is named")
{
    asio::io_context io;
    const Listener listener(io, loopback());
    CHECK(obstacle(io, listener.endpoint())
              .starts_with("cannot listen on " + to_string(listener.endpoint()) + ": "));
    const tcp::endpoint elsewhere(asio::ip::make_address("198.51.100.1"), 80); // RFC 5737
    try {
        const Listener never(io, elsewhere);
        FAIL("it listens on an address of somebody else");
    } catch (const std::system_error& error) {
        CHECK(std::string(error.what()).starts_with("cannot listen on 198.51.100.1:80: "));
    }
}

TEST_CASE("who waits for a connection is woken when the listener is shut")
{
    asio::io_context io;
    Listener listener(io, loopback());
    listener.open();
    bool woken = false;
    asio::co_spawn(io, listener.wait(), [&](const std::exception_ptr& failure) {
        CHECK_FALSE(failure);
        woken = true;
    });
    io.poll();
    CHECK_FALSE(woken);
    listener.shut();
    CHECK(run_until(io, [&] { return woken; }));
    std::error_code error;
    CHECK_FALSE(listener.accept(error));
    CHECK(error);
}

TEST_CASE("a connection that nobody has accepted is reset when the listener is shut")
{
    asio::io_context io;
    Listener listener(io, loopback());
    listener.open();
    tcp::socket socket(io);
    REQUIRE_FALSE(connect(socket, listener.endpoint()));
    listener.shut();
    char byte = 0;
    std::error_code error;
    socket.read_some(asio::buffer(&byte, 1), error);
    CHECK(error == asio::error::connection_reset);
}

TEST_CASE("a connection that was there before the wait ends it at once")
{
    asio::io_context io;
    Listener listener(io, loopback());
    listener.open();
    std::vector<tcp::socket> sockets;
    for (int i = 0; i < 3; ++i) {
        sockets.emplace_back(io);
        REQUIRE_FALSE(connect(sockets.back(), listener.endpoint()));
    }
    for (int i = 0; i < 3; ++i)
        CHECK(accept_from(io, listener).peer ==
              sockets[static_cast<std::size_t>(i)].local_endpoint());
}

TEST_CASE("a program that is started again gets its port while old connections linger")
{
    asio::io_context io;
    const auto congestion = Congestion::off();
    std::optional<Listener> listener(std::in_place, io, loopback(), congestion, Hop::between);
    const tcp::endpoint endpoint = listener->endpoint();
    tcp::socket lingering(io);
    for (int round = 0; round < 3; ++round) {
        listener->open();
        SUBCASE("in TIME_WAIT")
        {
            tcp::socket socket(io);
            REQUIRE_FALSE(connect(socket, endpoint));
            accept_from(io, *listener).socket.close(); // our side first, so TIME_WAIT is ours
            std::error_code error;
            char byte = 0;
            socket.read_some(asio::buffer(&byte, 1), error);
            CHECK(error == asio::error::eof);
        }
        SUBCASE("half closed")
        {
            REQUIRE_FALSE(connect(lingering, endpoint));
            accept_from(io, *listener).socket.close();
        }
        SUBCASE("after it was shut")
        {
            tcp::socket socket(io);
            REQUIRE_FALSE(connect(socket, endpoint));
            accept_from(io, *listener).socket.close();
            listener->shut();
        }
        listener.reset();
        listener.emplace(io, endpoint, congestion, Hop::between);
        CHECK(obstacle(io, endpoint) != "");
    }
}

TEST_CASE("the unspecified IPv6 address takes IPv4 as well")
{
    asio::io_context io;
    Listener listener(io, tcp::endpoint(asio::ip::address_v6::any(), 0));
    listener.open();
    tcp::socket socket(io);
    REQUIRE_FALSE(connect(socket, loopback(listener.endpoint().port())));
    CHECK(to_string(accept_from(io, listener).peer) == to_string(socket.local_endpoint()));
}

TEST_CASE("only errors of one connection let accept be tried again at once")
{
    for (const auto error :
         {std::errc::connection_aborted, std::errc::interrupted, std::errc::protocol_error})
        CHECK(concerns_one_connection(make_error_code(error)));
    for (const auto error :
         {std::errc::too_many_files_open, std::errc::too_many_files_open_in_system,
          std::errc::not_enough_memory, std::errc::no_buffer_space,
          std::errc::operation_would_block, std::errc::invalid_argument})
        CHECK_FALSE(concerns_one_connection(make_error_code(error)));
}
