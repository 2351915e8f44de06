// Listening sockets that come from another process.
#include <doctest/doctest.h>

#include <sys/socket.h>
#include <unistd.h>

#include "common/transport/given_sockets.hpp"
#include "common/transport/listener.hpp"
#include "common/transport/socket.hpp"
#include "tests/unit/io.hpp"

using namespace tunnel;
using namespace tunnel::test;

namespace {

// As another process has it.
Fd shared(Listener& listener)
{
    return Fd(::dup(listener.descriptor()));
}

void wait_for_visitor(asio::io_context& io, Listener& listener)
{
    run(io, [&] { return listener.wait(); });
}

} // namespace

TEST_CASE("a given socket is found by its address, or without a port by its use, and taken once")
{
    asio::io_context io;
    Listener web(io, loopback());
    Listener mail(io, loopback());
    GivenSockets given;
    given.add(shared(web), "service web");
    given.add(shared(mail), "service mail");
    CHECK(given.ports().at("service web") == web.endpoint().port());
    CHECK_FALSE(given.take(loopback(), "service other"));
    CHECK(given.take(web.endpoint()));
    CHECK_FALSE(given.take(web.endpoint()));
    CHECK(given.left() == std::vector<std::string>{to_string(mail.endpoint())});
    CHECK(given.take(loopback(), "service mail"));
    CHECK(given.size() == 0);
}

TEST_CASE("what nobody can listen at is no given socket")
{
    GivenSockets given;
    CHECK_THROWS_AS(given.add(Fd(::open("/dev/null", 0))), const std::runtime_error&);
    CHECK_THROWS_WITH_AS(given.add(Fd(::socket(AF_INET, SOCK_DGRAM, 0)), "web"),
                         doctest::Contains("(web): it is no stream socket"),
                         const std::runtime_error&);
}

TEST_CASE("a visitor who has connected to a given socket is accepted where it is taken")
{
    asio::io_context io;
    Listener before(io, loopback());
    before.open();
    before.pause();
    tcp::socket visitor(io);
    visitor.connect(before.endpoint());
    std::error_code error;
    CHECK_FALSE(before.accept(error));
    CHECK(error == std::errc::operation_would_block);
    GivenSockets given;
    given.add(shared(before));
    Listener after = listener_at(io, before.endpoint(), {given, ""}, Congestion::off(), Hop::edge);
    CHECK(after.endpoint() == before.endpoint());
    before.close();
    after.open();
    wait_for_visitor(io, after);
    const auto accepted = after.accept(error);
    REQUIRE(accepted);
    CHECK(accepted->peer == visitor.local_endpoint());
}

TEST_CASE("a listener that is resumed takes those who came meanwhile, however short the pause was")
{
    asio::io_context io;
    Listener listener(io, loopback());
    listener.open();
    tcp::socket visitor(io);
    bool is_over = false;
    asio::co_spawn(io, listener.wait(), [&](const std::exception_ptr& failure) {
        CHECK(failure == nullptr);
        is_over = true;
    });
    io.poll();
    listener.pause();
    SUBCASE("it is over before anyone has noticed") {}
    SUBCASE("it lasts a while")
    {
        io.poll();
    }
    listener.resume();
    io.poll();
    CHECK_FALSE(is_over);
    visitor.connect(listener.endpoint());
    io.restart();
    io.run_for(std::chrono::seconds(10));
    CHECK(is_over);
    std::error_code error;
    CHECK(listener.accept(error));
}

TEST_CASE("a paused listener that is shut does not refuse those of the process that shares it")
{
    asio::io_context io;
    Listener former(io, loopback());
    former.open();
    former.pause();
    former.shut();
    tcp::socket visitor(io);
    std::error_code error;
    visitor.connect(former.endpoint(), error);
    CHECK_FALSE(error);
    former.resume(); // it was to be shut, and nobody else has it
    tcp::socket late(io);
    late.connect(former.endpoint(), error);
    CHECK(error == asio::error::connection_refused);
}

TEST_CASE("whoever waits at a socket that nobody serves is refused in the end")
{
    asio::io_context io;
    Listener former(io, loopback());
    former.open();
    Listener listener(io, shared(former));
    former.close();
    tcp::socket visitor(io);
    visitor.connect(listener.endpoint());
    listener.shut(); // as long as another may have it
    listener.own();
    listener.shut_unless_open();
    std::error_code error;
    char byte = 0;
    visitor.read_some(asio::buffer(&byte, 1), error);
    CHECK(error == asio::error::connection_reset);
    listener.open();
    listener.shut_unless_open();
    tcp::socket next(io);
    next.connect(listener.endpoint(), error);
    CHECK_FALSE(error);
}
