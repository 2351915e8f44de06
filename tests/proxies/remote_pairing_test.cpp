// The remote proxy and the pairing of visitors with data connections, with origin proxies played by
// hand.
#include <doctest/doctest.h>

#include "common/transport/socket.hpp"
#include "tests/support/proxies.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

// A remote proxy with an origin proxy that is logged in.
struct Tunnel {
    explicit Tunnel(const RemoteOptions& options = remote_options())
        : remote(options), origin(logged_in(remote))
    {
    }

    Stream visit() { return Stream::connect(remote.proxy().outside_endpoint()); }

    Ticket ticket() { return origin.control.receive_frame<Announce>().ticket; }

    Stream dial_back(const Ticket& ticket) const
    {
        return test::dial_back(remote.proxy().control_endpoint(), ticket);
    }

    RunningRemote remote;
    HandPlayedOrigin origin;
};

} // namespace

TEST_CASE(
    "a visitor is announced with its address and joined with the connection that has its ticket")
{
    Tunnel tunnel;
    Stream visitor = tunnel.visit();
    visitor.send("early");
    const auto announce = tunnel.origin.control.receive_frame<Announce>();
    CHECK(announce.visitor == to_string(visitor.local()));
    CHECK(announce.service == default_service);
    Stream data = tunnel.dial_back(announce.ticket);
    CHECK_FALSE(data.readable_within(50ms)); // not before the origin server is connected
    data.send(encode(Start()) + "hello");
    CHECK(visitor.receive(5) == "hello");
    CHECK(data.receive(5) == "early");
}

TEST_CASE("visitors are never mixed up, in whatever order their connections come")
{
    Tunnel tunnel;
    std::vector<Stream> visitors;
    std::vector<Ticket> tickets;
    for (int i = 0; i < 20; ++i) {
        visitors.push_back(tunnel.visit());
        visitors.back().send(std::to_string(i % 10));
        tickets.push_back(tunnel.ticket());
    }
    for (int i = 19; i >= 0; --i) {
        const auto at = static_cast<std::size_t>(i);
        Stream data = tunnel.dial_back(tickets[at]);
        data.send(Start());
        CHECK(data.receive(1) == std::to_string(i % 10));
        data.send(std::to_string(i));
        data.finish();
        visitors[at].finish();
        CHECK(visitors[at].receive_all() == std::to_string(i));
    }
}

TEST_CASE("a stranger with an unknown or a used ticket gets closed and never a visitor's bytes")
{
    Tunnel tunnel;
    Stream visitor = tunnel.visit();
    visitor.send("secret");
    const Ticket ticket = tunnel.ticket();

    Stream guesser = tunnel.dial_back(Ticket{random_bytes()});
    CHECK(guesser.ending() != Ending::silence);

    Stream data = tunnel.dial_back(ticket);
    data.send(encode(Start()));
    CHECK(data.receive(6) == "secret");

    Stream replayer = tunnel.dial_back(ticket);
    CHECK(replayer.ending() != Ending::silence);
    data.send("still its own");
    CHECK(visitor.receive(13) == "still its own");
}

TEST_CASE("a ticket that somebody has presented is used up before the origin server is connected")
{
    Tunnel tunnel;
    Stream visitor = tunnel.visit();
    const Ticket ticket = tunnel.ticket();
    Stream first = tunnel.dial_back(ticket);
    CHECK_FALSE(first.readable_within(100ms));
    Stream second = tunnel.dial_back(ticket);
    second.send(Start());
    CHECK(second.ending() != Ending::silence);
    first.send(encode(Start()) + "x");
    CHECK(visitor.receive(1) == "x");
}

TEST_CASE("a ticket is void once the control connection that carried it is gone")
{
    Tunnel tunnel;
    Stream visitor = tunnel.visit();
    const Ticket old = tunnel.ticket();
    HandPlayedOrigin returned = logged_in(tunnel.remote, tunnel.origin.id);
    const Ticket fresh = returned.control.receive_frame<Announce>().ticket;
    CHECK(old != fresh);
    CHECK(tunnel.dial_back(old).ending() != Ending::silence);
    Stream data = tunnel.dial_back(fresh);
    data.send(encode(Start()) + "served");
    CHECK(visitor.receive(6) == "served");
}

TEST_CASE("an expired ticket is unknown and its visitor has been reset")
{
    Clock::Steered clock;
    RemoteOptions options = remote_options();
    options.pairing_timeout = 10s;
    Tunnel tunnel(options);
    Stream visitor = tunnel.visit();
    const Ticket ticket = tunnel.ticket();
    clock.advance(11s);
    CHECK(visitor.ending() == Ending::reset);
    CHECK(tunnel.dial_back(ticket).ending() != Ending::silence);
}

TEST_CASE("a visitor whose data connection does not come is reset and others are unaffected")
{
    Clock::Steered clock;
    RemoteOptions options = remote_options();
    options.pairing_timeout = 10s;
    Tunnel tunnel(options);
    Stream lost = tunnel.visit();
    tunnel.ticket();
    Stream good = tunnel.visit();
    Stream data = tunnel.dial_back(tunnel.ticket());
    data.send(encode(Start()) + "fine");
    CHECK(good.receive(4) == "fine");
    clock.advance(9s);
    CHECK(lost.ending(100ms) == Ending::silence);
    clock.advance(2s);
    CHECK(lost.ending() == Ending::reset);
    data.send("!");
    CHECK(good.receive(1) == "!");
}

TEST_CASE("a visitor whose data connection never says start is reset with it")
{
    RemoteOptions options = remote_options();
    options.pairing_timeout = 300ms;
    Tunnel tunnel(options);
    Stream visitor = tunnel.visit();
    Stream data = tunnel.dial_back(tunnel.ticket());
    CHECK(visitor.ending() == Ending::reset);
    CHECK(data.ending() != Ending::silence);
}

TEST_CASE(
    "a visitor whose data connection breaks before the start is announced once more, and then "
    "reset at once")
{
    Tunnel tunnel;
    Stream visitor = tunnel.visit();
    const auto comes_and = [&tunnel](const std::function<void(Stream&)>& breaks) {
        const Ticket ticket = tunnel.ticket();
        Stream data = tunnel.dial_back(ticket);
        breaks(data);
        CHECK(data.ending() != Ending::silence);
        return ticket;
    };
    std::function<void(Stream&)> breaks = [](Stream& data) { data.finish(); };
    SUBCASE("by an end") {}
    SUBCASE("by another frame than start")
    {
        breaks = [](Stream& data) { data.send(Heartbeat()); };
    }
    const Ticket first = comes_and(breaks);
    CHECK(comes_and(breaks) != first);
    CHECK(visitor.ending(1s) == Ending::reset);
}

TEST_CASE("a refused visitor is reset at once")
{
    Tunnel tunnel;
    Stream visitor = tunnel.visit();
    const Ticket ticket = tunnel.ticket();
    SUBCASE("before its data connection has come")
    {
        tunnel.origin.control.send(Refuse{ticket, "no such server"});
        CHECK(visitor.ending(1s) == Ending::reset);
        CHECK(tunnel.dial_back(ticket).ending() != Ending::silence);
    }
    SUBCASE("when its data connection is there already")
    {
        Stream data = tunnel.dial_back(ticket);
        CHECK_FALSE(data.readable_within(100ms));
        tunnel.origin.control.send(Refuse{ticket, "no such server"});
        CHECK(visitor.ending(1s) == Ending::reset);
        CHECK(data.ending(1s) != Ending::silence);
    }
    SUBCASE("on its data connection")
    {
        Stream data = tunnel.dial_back(ticket);
        data.send(Refuse{ticket, "no such server"});
        CHECK(visitor.ending(1s) == Ending::reset);
    }
    CHECK(tunnel.remote.on_its_thread([](RemoteProxy& proxy) { return proxy.visitors(); }) == 0);
}

TEST_CASE("beyond the number that may wait a visitor is reset at once")
{
    RemoteOptions options = remote_options();
    options.max_waiting = 2;
    Tunnel tunnel(options);
    Stream first = tunnel.visit();
    Stream second = tunnel.visit();
    const Ticket ticket = tunnel.ticket();
    Stream third = tunnel.visit();
    CHECK(third.ending(1s) == Ending::reset);
    CHECK(first.ending(50ms) == Ending::silence);
    Stream data = tunnel.dial_back(ticket);
    data.send(encode(Start()) + "1");
    CHECK(first.receive(1) == "1");
    Stream fourth = tunnel.visit(); // there is a seat again
    CHECK(fourth.ending(100ms) == Ending::silence);
}

TEST_CASE("a visitor that comes in an outage is served by the origin proxy that returns")
{
    Tunnel tunnel;
    tunnel.origin.control.reset();
    Stream visitor = tunnel.visit();
    visitor.send("hello?");
    HandPlayedOrigin returned = logged_in(tunnel.remote);
    Stream data = tunnel.dial_back(returned.control.receive_frame<Announce>().ticket);
    data.send(Start());
    CHECK(data.receive(6) == "hello?");
}

TEST_CASE("visitors that are being served live on without a control connection")
{
    Tunnel tunnel;
    Stream visitor = tunnel.visit();
    Stream data = tunnel.dial_back(tunnel.ticket());
    data.send(encode(Start()) + "1");
    CHECK(visitor.receive(1) == "1");
    tunnel.origin.control.reset();
    data.send("2");
    CHECK(visitor.receive(1) == "2");
    const HandPlayedOrigin returned = logged_in(tunnel.remote);
    visitor.send("3");
    CHECK(data.receive(1) == "3");
}

TEST_CASE("a stop lets waiting and served visitors finish, and then ends")
{
    Tunnel tunnel;
    Stream served = tunnel.visit();
    Stream data = tunnel.dial_back(tunnel.ticket());
    data.send(encode(Start()) + "1");
    CHECK(served.receive(1) == "1");
    Stream waiting = tunnel.visit();
    const Ticket ticket = tunnel.ticket();

    tunnel.remote.stop_gently();
    Stream waiting_data = tunnel.dial_back(ticket);
    waiting_data.send(encode(Start()) + "2");
    CHECK(waiting.receive(1) == "2");
    for (Stream* stream : {&served, &data, &waiting, &waiting_data}) {
        CHECK_FALSE(tunnel.remote.ended());
        stream->finish();
    }
    CHECK(served.receive_all().empty());
    CHECK(waiting.receive_all().empty());
    CHECK(std::holds_alternative<Goodbye>(tunnel.origin.control.receive_frame()));
    CHECK(eventually([&] { return tunnel.remote.ended(); }));
}

TEST_CASE("a stop resets what is left after the grace period")
{
    RemoteOptions options = remote_options();
    options.common.grace_period = 100ms;
    Tunnel tunnel(options);
    Stream served = tunnel.visit();
    Stream data = tunnel.dial_back(tunnel.ticket());
    data.send(encode(Start()) + "1");
    CHECK(served.receive(1) == "1");
    Stream waiting = tunnel.visit();
    tunnel.ticket();
    tunnel.remote.stop_gently();
    CHECK(served.ending() == Ending::reset);
    CHECK(data.ending() == Ending::reset);
    CHECK(waiting.ending() == Ending::reset);
    CHECK(eventually([&] { return tunnel.remote.ended(); }));
}
