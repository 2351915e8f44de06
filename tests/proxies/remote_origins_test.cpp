// What one origin proxy does, or what becomes of it, while others serve beside it.
#include <doctest/doctest.h>

#include "common/transport/socket.hpp"
#include "tests/proxies/named_origins.hpp"
#include "tests/unit/captured.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

// A data connection that has presented the ticket, and nothing more.
Stream presented(const Origin& origin, const Ticket& ticket)
{
    Stream data = Stream::connect(origin.remote.proxy.proxy().control_endpoint());
    data.send(magic_bytes() + encode(origin.dial_back(ticket)));
    return data;
}

// Offers the service and serves a visitor who has waited for it, who may be announced before the
// offer is answered.
Stream offer_and_serve(Origin& origin, const std::string& name)
{
    origin.offer(name);
    Frame frame = origin.control.receive_frame();
    while (!std::holds_alternative<Announce>(frame))
        frame = origin.control.receive_frame();
    return origin.answer(std::get<Announce>(frame).ticket);
}

std::size_t count(std::string_view text, std::string_view what)
{
    std::size_t found = 0;
    for (std::size_t at = text.find(what); at != std::string_view::npos;
         at = text.find(what, at + 1))
        ++found;
    return found;
}

// So many ports in a row that are free.
PortRange free_ports(std::uint16_t size)
{
    for (;;) {
        const std::uint16_t first = some_port().first;
        try {
            for (std::uint16_t i = 1; i < size; ++i) {
                const auto port = static_cast<std::uint16_t>(first + i);
                const Server probe(tcp::endpoint(asio::ip::address_v4::loopback(), port));
            }
            return {first, static_cast<std::uint16_t>(first + size - 1)};
        } catch (const std::system_error&) { // one of them is taken
        }
    }
}

} // namespace

TEST_CASE("what is said of a service names the offer that it is about")
{
    Remote remote({service("web")});
    Origin roof(remote, remote.roof);
    roof.control.send(Offer{"web", "", 7});
    CHECK(roof.control.receive_frame<Opened>().number == 7);
    roof.control.send(Offer{"ssh", "", 8});
    CHECK(roof.control.receive_frame<Declined>().number == 8);
    roof.control.send(Offer{"ssh", "", 9}); // nothing has changed, but it asks again
    CHECK(roof.control.receive_frame<Declined>().number == 9);
    remote.options.services.push_back(service("ssh"));
    remote.reload(); // and then nobody has asked
    CHECK(roof.control.receive_frame<Opened>() ==
          Opened{"ssh", to_string(remote.outside("ssh")), 9});
    roof.control.send(Offer{"web"}); // an older program
    CHECK(roof.control.receive_frame<Opened>().number == 0);
}

TEST_CASE("a visitor whose data connection breaks before the start is announced to another")
{
    RoofAndCellar both;
    auto& [remote, roof, cellar] = both;
    Stream visitor = both.visit();
    const auto first = roof.control.receive_frame<Announce>();
    Stream data = presented(roof, first.ticket);
    SUBCASE("by a reset")
    {
        data.reset();
    }
    SUBCASE("by something that is no start")
    {
        data.send(Heartbeat());
    }
    SUBCASE("since the origin proxy is gone")
    {
        roof.control.reset();
        data.reset();
    }
    const auto second = cellar.control.receive_frame<Announce>();
    CHECK(second.visitor == first.visitor);
    CHECK(second.ticket != first.ticket);
    Stream other = cellar.answer(second.ticket);
    check_served(visitor, other);
}

TEST_CASE("a visitor that the only origin proxy was about to serve when it went waits for the next")
{
    Remote remote({service("web")});
    std::optional<Origin> roof(std::in_place, remote, remote.roof);
    roof->opened("web");
    Stream visitor = Stream::connect(remote.outside("web"));
    Stream data = presented(*roof, roof->control.receive_frame<Announce>().ticket);
    SUBCASE("if that shows first")
    {
        roof->control.reset();
        data.reset();
    }
    SUBCASE("if the end of the data connection shows first")
    {
        data.reset();
        CHECK(eventually([&] { return roof->control.readable_within(0ms); }));
        roof->control.reset();
    }
    roof.emplace(remote, remote.roof);
    Stream again = offer_and_serve(*roof, "web");
    check_served(visitor, again);
}

TEST_CASE("a visitor whose data connections break one after the other is let go")
{
    Remote remote({service("web")});
    Origin roof(remote, remote.roof);
    roof.opened("web");
    Stream visitor = Stream::connect(remote.outside("web"));
    for (int i = 0; i < 2; ++i)
        presented(roof, roof.control.receive_frame<Announce>().ticket).reset();
    CHECK(visitor.ending() == Ending::reset);
}

TEST_CASE("a visitor whose first bytes went to an origin proxy that comes back is served by it")
{
    Remote remote({service("web")});
    std::optional<Origin> roof(std::in_place, remote, remote.roof, true);
    const OriginId id = roof->log_in.origin;
    roof->opened("web");
    Stream parked = Stream::connect(remote.proxy.proxy().control_endpoint());
    parked.send(magic_bytes() + encode(roof->park(0)));
    CHECK(eventually([&] {
        return remote.proxy.on_its_thread([](RemoteProxy& proxy) { return proxy.parked() == 1; });
    }));
    Stream visitor = Stream::connect(remote.outside("web"));
    visitor.send("question");
    parked.receive_frame<Announce>();
    Origin cellar(remote, remote.cellar, true);
    cellar.opened("web");
    roof->control.reset();
    parked.reset();
    CHECK_FALSE(cellar.control.readable_within(100ms)); // it may have been heard by the other
    roof.emplace(remote, remote.roof, true, id);
    Stream data = offer_and_serve(*roof, "web");
    CHECK(data.receive(11) == data_frame("question"));
    check_served(visitor, data);
}

TEST_CASE(
    "a visitor that was served on a connection that broke is not shown to another origin proxy")
{
    Remote remote({service("web")});
    Origin roof(remote, remote.roof, true);
    roof.opened("web");
    Stream parked = Stream::connect(remote.proxy.proxy().control_endpoint());
    parked.send(magic_bytes() + encode(roof.park(0)));
    CHECK(eventually([&] {
        return remote.proxy.on_its_thread([](RemoteProxy& proxy) { return proxy.parked() == 1; });
    }));
    Stream visitor = Stream::connect(remote.outside("web"));
    visitor.send("question");
    parked.receive_frame<Announce>();
    CHECK(parked.receive(11) == data_frame("question"));
    Origin cellar(remote, remote.cellar, true);
    cellar.opened("web");
    parked.reset(); // its server took the question, and reset
    const Ticket ticket = roof.control.receive_frame<Announce>().ticket;
    roof.control.send(Refuse{ticket, "its data connection broke", Code::data_connection_lost});
    CHECK(visitor.ending() == Ending::reset);
    CHECK_FALSE(cellar.control.readable_within(50ms));
}

TEST_CASE("an origin proxy that opens all it can leaves descriptors for others, and for visitors")
{
    const PortRange range = free_ports(60);
    Remote remote({}, {{"roof", {range}}, {"cellar", {range}}}, 220);
    Origin roof(remote, remote.roof);
    Origin cellar(remote, remote.cellar);
    std::size_t opened = 0;
    Frame answer;
    const auto offer = [&](Origin& origin, std::size_t number) {
        origin.offer(fmt::format("s{}", number), fmt::format(":{}", range.first + number));
        answer = origin.control.receive_frame();
        return std::holds_alternative<Opened>(answer);
    };
    while (offer(roof, opened))
        ++opened;
    const auto no = std::get<Declined>(answer);
    CHECK(no.reason == DeclineReason::too_many);
    CHECK(no.text.find(fmt::format("{} of this origin proxy", opened)) != std::string::npos);
    CHECK(opened >= 5);
    // One may still move, and hears of that alone.
    const auto moved = roof.opened("s1", fmt::format(":{}", range.last));
    CHECK(moved.outside_address == fmt::format("127.0.0.1:{}", range.last));
    CHECK(offer(cellar, opened));
    CHECK(offer(cellar, opened + 1));
    Stream visitor = Stream::connect({asio::ip::address_v4::loopback(), range.first});
    Stream data = roof.serve();
    check_served(visitor, data);
}

TEST_CASE("an origin proxy that offers and withdraws without end does not fill the log")
{
    constexpr int many = LineAllowance::most + 500;
    const std::string log = log_of([] {
        Remote remote({service("web")});
        Origin roof(remote, remote.roof);
        for (int i = 0; i < many; ++i) {
            const std::string name = fmt::format("s{}", i);
            roof.declined(name);
            roof.control.send(Withdraw{name});
        }
    });
    CHECK(count(log, "declined a service") >= 300);       // its budget of bytes ends before
    CHECK(count(log, "declined a service") < many - 250); // one a second comes on top
    CHECK(count(log, "services of an origin proxy change too often") >= 1);
    CHECK(count(log, "peer=roof") >= 1);
}

TEST_CASE("whoever is named after the stop began is not let in, while the others may finish")
{
    RemoteService web = service("web");
    web.rules.accept_proxy_from = {parse_cidr("127.0.0.1")};
    Remote remote({web});
    Origin roof(remote, remote.roof);
    roof.opened("web");
    const std::string header = "PROXY TCP4 192.0.2.1 198.51.100.7 50000 443\r\n";
    Stream served = Stream::connect(remote.outside("web"));
    served.send(header);
    Stream data = roof.serve();
    check_served(served, data);
    Stream late = Stream::connect(remote.outside("web"));
    CHECK(eventually([&] { return remote.visitors() == 2; }));
    remote.proxy.stop_gently();
    CHECK(eventually([&] { return is_refused(remote.outside("web")); }));
    late.send(header);
    CHECK(late.ending() == Ending::reset);
    check_served(served, data);
}

TEST_CASE("a stop does not wait for a load balancer that has not said who its visitor is")
{
    RemoteService web = service("web");
    web.rules.accept_proxy_from = {parse_cidr("127.0.0.1")};
    Remote remote({web});
    Origin roof(remote, remote.roof);
    roof.opened("web");
    Stream silent = Stream::connect(remote.outside("web"));
    silent.send("PROXY TCP4 192.0.2.1");
    CHECK(eventually([&] { return remote.visitors() == 1; }));
    const auto began = Clock::now();
    SUBCASE("when it is told to stop at once")
    {
        remote.proxy.on_its_thread([](RemoteProxy& proxy) {
            proxy.stop_now();
            return true;
        });
    }
    SUBCASE("when it is told to stop gently")
    {
        remote.proxy.stop_gently();
    }
    CHECK(silent.ending() == Ending::reset);
    CHECK(eventually([&] { return remote.proxy.ended(); }));
    CHECK(Clock::now() - began < 4s); // neither the grace period nor the time for a header
}
