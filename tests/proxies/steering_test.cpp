// What the management interface changes at the remote proxy while it runs.
#include <doctest/doctest.h>

#include "common/transport/socket.hpp"
#include "tests/proxies/named_origins.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

PublicTunnel tunnel_at(std::uint16_t port, std::string service, std::string client)
{
    PublicTunnel tunnel;
    tunnel.listen_address = asio::ip::address_v4::loopback();
    tunnel.listen_port = port;
    tunnel.service = std::move(service);
    tunnel.client = std::move(client);
    return tunnel;
}

// What becomes of it, in HTTP's numbers.
template <class Change>
unsigned steer(Remote& remote, const Change& change)
{
    return remote.proxy.on_its_thread([&change](RemoteProxy& proxy) -> unsigned {
        try {
            change(proxy);
        } catch (const SteeringError& error) {
            return error.status();
        }
        return 200;
    });
}

unsigned set_tunnels(Remote& remote, const std::vector<PublicTunnel>& wanted)
{
    return steer(remote, [&wanted](RemoteProxy& proxy) { proxy.actions().set_tunnels(wanted); });
}

SavedState kept_by(Remote& remote)
{
    return remote.proxy.on_its_thread([](RemoteProxy& proxy) { return proxy.saved_state(); });
}

std::vector<VisitorStatus> visitors_of(Remote& remote, std::uint64_t after = 0,
                                       std::size_t limit = 100, const VisitorFilter& filter = {})
{
    return remote.proxy.on_its_thread(
        [&](const RemoteProxy& proxy) { return proxy.visitors_after(after, limit, filter); });
}

// For the visitor that is announced next, whatever is said of services before.
Stream serve_next(Origin& origin)
{
    for (;;) {
        const Frame frame = origin.control.receive_frame();
        if (const auto* const announced = std::get_if<Announce>(&frame))
            return origin.answer(announced->ticket);
    }
}

// Two origin proxies that both offer a service "web" that the options do not name.
struct Tunnelled {
    Tunnelled()
    {
        CHECK(roof.declined("web").reason == DeclineReason::not_allowed);
        CHECK(cellar.declined("web").reason == DeclineReason::not_allowed);
    }

    Stream visit() const { return Stream::connect(there); }

    Remote remote{{service("ssh")}};
    Origin roof{remote, remote.roof};
    Origin cellar{remote, remote.cellar};
    std::uint16_t port = some_port().first;
    tcp::endpoint there{asio::ip::address_v4::loopback(), port};
};

} // namespace

TEST_CASE("a tunnel opens an address for a service that an origin proxy offers")
{
    Tunnelled all;
    REQUIRE(set_tunnels(all.remote, {tunnel_at(all.port, "web", "roof")}) == 200);
    CHECK(all.roof.control.receive_frame<Opened>().outside_address == to_string(all.there));
    Stream visitor = all.visit();
    const auto announced = all.roof.control.receive_frame<Announce>();
    CHECK(announced.service == "web");
    CHECK_FALSE(announced.wants_header);
    Stream data = all.roof.answer(announced.ticket);
    check_served(visitor, data);
    CHECK(kept_by(all.remote).tunnels == std::vector{tunnel_at(all.port, "web", "roof")});
}

TEST_CASE("a tunnel goes over to another origin proxy, and whoever is being served goes on")
{
    Tunnelled all;
    set_tunnels(all.remote, {tunnel_at(all.port, "web", "roof")});
    all.roof.control.receive_frame<Opened>();
    Stream first = all.visit();
    Stream at_roof = all.roof.serve();
    check_served(first, at_roof);
    REQUIRE(set_tunnels(all.remote, {tunnel_at(all.port, "web", "cellar")}) == 200);
    CHECK(all.cellar.control.receive_frame<Opened>().service == "web");
    CHECK(all.roof.control.receive_frame<Declined>().reason == DeclineReason::not_allowed);
    Stream second = all.visit();
    Stream at_cellar = all.cellar.serve();
    check_served(second, at_cellar);
    check_served(first, at_roof);
}

TEST_CASE("tunnels that are missing in the list close, and those that are there stay")
{
    Tunnelled all;
    const std::uint16_t other = some_port().first;
    const auto stays = tunnel_at(all.port, "web", "roof");
    REQUIRE(set_tunnels(all.remote, {stays, tunnel_at(other, "web", "roof")}) == 200);
    Stream visitor = all.visit();
    Stream data = serve_next(all.roof);
    check_served(visitor, data);
    REQUIRE(set_tunnels(all.remote, {stays}) == 200);
    CHECK(is_refused({asio::ip::address_v4::loopback(), other}));
    check_served(visitor, data);
    Stream late = all.visit();
    Stream late_data = serve_next(all.roof);
    check_served(late, late_data);
    REQUIRE(set_tunnels(all.remote, {}) == 200);
    CHECK(is_refused(all.there));
    check_served(visitor, data);
}

TEST_CASE("a tunnel that cannot be is refused, and nothing has changed")
{
    Tunnelled all;
    const auto good = tunnel_at(all.port, "web", "roof");
    set_tunnels(all.remote, {good});
    SUBCASE("of somebody who is not here")
    {
        CHECK(set_tunnels(all.remote, {tunnel_at(1, "web", "attic")}) == 404);
    }
    SUBCASE("at the address of a service of the options")
    {
        const auto taken = all.remote.outside("ssh").port();
        CHECK(set_tunnels(all.remote, {tunnel_at(taken, "web", "roof")}) == 409);
    }
    SUBCASE("at an address that another program has")
    {
        const Server other;
        CHECK(set_tunnels(all.remote, {tunnel_at(other.endpoint().port(), "web", "roof")}) == 409);
    }
    SUBCASE("at an address of another machine")
    {
        auto elsewhere = tunnel_at(all.port, "web", "roof");
        elsewhere.listen_address = asio::ip::make_address("192.0.2.1");
        CHECK(set_tunnels(all.remote, {elsewhere}) == 400);
    }
    SUBCASE("with a header that the origin proxy does not know of")
    {
        auto headed = tunnel_at(some_port().first, "web", "roof");
        headed.proxy_protocol = true;
        CHECK(set_tunnels(all.remote, {headed}) == 501);
    }
    CHECK(kept_by(all.remote).tunnels == std::vector{good});
    all.roof.control.receive_frame<Opened>();
    Stream visitor = all.visit();
    Stream data = all.roof.serve();
    check_served(visitor, data);
}

TEST_CASE("a tunnel of an origin proxy that is away stays, and is served when that comes back")
{
    Tunnelled all;
    set_tunnels(all.remote, {tunnel_at(all.port, "web", "roof")});
    all.roof.control.reset();
    CHECK(eventually([&] {
        return all.remote.proxy.on_its_thread(
            [](const RemoteProxy& proxy) { return !proxy.clients().at("roof").is_here; });
    }));
    CHECK(set_tunnels(all.remote, {tunnel_at(all.port, "web", "roof")}) == 200);
    Origin again(all.remote, all.remote.roof);
    again.opened("web");
    Stream visitor = all.visit();
    Stream data = again.serve();
    check_served(visitor, data);
    CHECK(all.remote.proxy.on_its_thread(
        [](const RemoteProxy& proxy) { return proxy.clients().at("roof").has_left; }));
}

TEST_CASE("a tunnel is restored before its origin proxy is there")
{
    Remote remote({service("ssh")});
    const auto [port, ports] = some_port();
    SavedState kept;
    kept.tunnels = {tunnel_at(port, "web", "roof")};
    kept.drained_services = {"ssh"};
    kept.drained_origins = {"cellar"};
    steer(remote, [&kept](RemoteProxy& proxy) { proxy.restore(kept); });
    Origin roof(remote, remote.roof);
    roof.opened("web");
    roof.opened("ssh");
    CHECK(is_refused(remote.outside("ssh")));
    Stream visitor = Stream::connect({asio::ip::address_v4::loopback(), port});
    Stream data = roof.serve();
    check_served(visitor, data);
    CHECK(kept_by(remote) == kept);
}

TEST_CASE("what was said of a tunnel that could not be opened is forgotten with it")
{
    Remote remote({service("ssh")});
    const Server other;
    SavedState kept;
    kept.tunnels = {tunnel_at(other.endpoint().port(), "web", "roof")};
    kept.drained_services = {kept.tunnels[0].key()};
    steer(remote, [&kept](RemoteProxy& proxy) { proxy.restore(kept); });
    CHECK(kept_by(remote) == kept); // it is tried again
    CHECK(set_tunnels(remote, {}) == 200);
    CHECK(kept_by(remote) == SavedState());
}

TEST_CASE("a name that several origin proxies offer is refused with the names to choose from")
{
    Remote remote({}, {{"", {{1024, 65'535}}}});
    Origin roof(remote, remote.roof);
    Origin cellar(remote, remote.cellar);
    for (Origin* const each : {&roof, &cellar}) {
        each->control.send(Offer{"web", "127.0.0.1:0"});
        each->control.receive_frame<Opened>();
    }
    const std::string said = remote.proxy.on_its_thread([](RemoteProxy& proxy) -> std::string {
        try {
            proxy.actions().drain_service("web", true);
            return {};
        } catch (const SteeringError& error) {
            return error.what();
        }
    });
    CHECK(said == "several origin proxies offer \"web\": name one of cellar/web, roof/web");
}

TEST_CASE("a tunnel gives way to a service of the options at its address")
{
    Tunnelled all;
    set_tunnels(all.remote, {tunnel_at(all.port, "web", "roof")});
    all.roof.control.receive_frame<Opened>();
    Stream before = all.visit();
    Stream data = all.roof.serve();
    check_served(before, data);
    all.remote.options.services.push_back({"mail", {"127.0.0.1", all.port}});
    all.remote.reload();
    CHECK(kept_by(all.remote).tunnels.empty());
    CHECK(all.remote.outside("mail") == all.there);
    CHECK(set_tunnels(all.remote, {tunnel_at(all.port, "web", "roof")}) == 409);
    check_served(before, data);
}

TEST_CASE("a tunnel that is missing is forgotten when the options take its address")
{
    Remote remote({service("web")});
    std::optional<Server> taken(std::in_place);
    const std::uint16_t port = taken->endpoint().port();
    SavedState saved;
    saved.set_tunnels({tunnel_at(port, "web", "roof")});
    remote.proxy.on_its_thread([&saved](RemoteProxy& proxy) {
        proxy.restore(saved);
        return true;
    });
    CHECK(kept_by(remote).tunnels.size() == 1);
    taken.reset();
    remote.options.services.push_back({"mail", {"127.0.0.1", port}});
    CHECK(remote.reload() == "");
    CHECK(kept_by(remote).tunnels.empty());
    CHECK(remote.outside("mail").port() == port);
}

TEST_CASE("a tunnel gives no right to a service of the options that is called as its own is")
{
    RoofAndCellar both;
    set_tunnels(both.remote, {tunnel_at(some_port().first, "web", "cellar")});
    both.remote.options.services = {service("web", {"roof"})};
    both.remote.options.services[0].outside_address.port = 0;
    both.remote.reload();
    for (int i = 0; i < 4; ++i) {
        Stream visitor = both.visit();
        Stream data = serve_next(both.roof);
        check_served(visitor, data);
    }
}

TEST_CASE("an address of each family can have the same port, and all of IPv6 are those of IPv4 too")
{
    Remote remote({{"web", {"0.0.0.0", 0}}});
    Origin roof(remote, remote.roof);
    auto other = tunnel_at(remote.outside("web").port(), "ssh", "roof");
    CHECK(set_tunnels(remote, {other}) == 409);
    other.listen_address = asio::ip::address_v6::loopback();
    CHECK(set_tunnels(remote, {other}) == 200);
    other.listen_address = asio::ip::address_v6::any();
    CHECK(set_tunnels(remote, {other}) == 409);
}

TEST_CASE("a tunnel wants an origin proxy that has services with names")
{
    Remote remote({}); // with one service that needs no name
    const ProvingOrigin nameless(remote.proxy.proxy().control_endpoint(), remote.roof);
    CHECK(set_tunnels(remote, {tunnel_at(some_port().first, "default", "roof")}) == 409);
}

TEST_CASE("tunnels leave most descriptors to visitors, however they are asked for")
{
    Remote remote({service("web")}, {}, 400);
    Origin roof(remote, remote.roof);
    std::vector<PublicTunnel> wanted;
    unsigned status = 200;
    while (status == 200 && wanted.size() < 200) {
        for (int i = 0; i < 10; ++i)
            wanted.push_back(tunnel_at(some_port().first, "ssh", "roof"));
        status = set_tunnels(remote, wanted);
    }
    CHECK(status == 507);
    CHECK(wanted.size() < 150);
}

TEST_CASE("closing a service reaches visitors of one that was there before and of one that is gone")
{
    Tunnelled all;
    const auto tunnel = tunnel_at(all.port, "web", "roof");
    const auto close = [&all] {
        return steer(all.remote, [&all](RemoteProxy& proxy) {
            proxy.actions().close_service(to_string(all.there));
        });
    };
    set_tunnels(all.remote, {tunnel});
    Stream first = all.visit();
    Stream data = serve_next(all.roof);
    check_served(first, data);
    set_tunnels(all.remote, {});
    SUBCASE("it is gone") {}
    SUBCASE("it is there again")
    {
        set_tunnels(all.remote, {tunnel});
    }
    CHECK(close() == 200);
    CHECK(first.ending() == Ending::reset);
    set_tunnels(all.remote, {});
    CHECK(eventually([&] { return close() == 404; }));
}

TEST_CASE("a drained service refuses visitors, and those who are here go on")
{
    RoofAndCellar both;
    Stream before = both.visit();
    Stream data = both.roof.serve();
    check_served(before, data);
    const auto drain = [&both](bool drained) {
        return steer(both.remote, [drained](RemoteProxy& proxy) {
            proxy.actions().drain_service("web", drained);
        });
    };
    REQUIRE(drain(true) == 200);
    CHECK(is_refused(both.remote.outside("web")));
    check_served(before, data);
    Origin third(both.remote, both.remote.roof); // comes back
    third.opened("web");
    CHECK(is_refused(both.remote.outside("web")));
    REQUIRE(drain(false) == 200);
    CHECK(drain(false) == 200);
    Stream after = both.visit();
    Stream served = both.cellar.serve();
    check_served(after, served);
    CHECK(steer(both.remote,
                [](RemoteProxy& proxy) { proxy.actions().drain_service("none", true); }) == 404);
}

TEST_CASE("a visitor who had connected before the drain is served")
{
    RoofAndCellar both;
    Stream visitor = both.visit(); // nobody may have accepted it yet
    steer(both.remote, [](RemoteProxy& proxy) { proxy.actions().drain_service("web", true); });
    Stream data = both.roof.serve();
    check_served(visitor, data);
}

TEST_CASE("closing a service resets those who are served and those who wait")
{
    RoofAndCellar both;
    Stream served = both.visit();
    Stream data = both.roof.serve();
    check_served(served, data);
    Stream waits = both.visit();
    both.cellar.control.receive_frame<Announce>();
    CHECK(steer(both.remote, [](RemoteProxy& proxy) { proxy.actions().close_service("web"); }) ==
          200);
    CHECK(served.ending() == Ending::reset);
    CHECK(waits.ending() == Ending::reset);
    CHECK(data.ending() == Ending::reset);
    CHECK(is_refused(both.remote.outside("web")));
    CHECK(eventually([&] { return both.remote.visitors() == 0; }));
}

TEST_CASE("a drained origin proxy gets no visitors, also when it has come back")
{
    RoofAndCellar both;
    const auto drain = [&both](const std::string& name, bool drained) {
        return steer(both.remote,
                     [&](RemoteProxy& proxy) { proxy.actions().drain_origin(name, drained); });
    };
    REQUIRE(drain("roof", true) == 200);
    for (int i = 0; i < 3; ++i) {
        Stream visitor = both.visit();
        Stream data = both.cellar.serve();
        check_served(visitor, data);
    }
    Origin again(both.remote, both.remote.roof);
    again.opened("web");
    REQUIRE(drain("cellar", true) == 200);
    CHECK(eventually([&] { return is_refused(both.remote.outside("web")); }));
    REQUIRE(drain("roof", false) == 200);
    Stream visitor = both.visit();
    Stream data = again.serve();
    check_served(visitor, data);
    CHECK(kept_by(both.remote).drained_origins == std::set<std::string>{"cellar"});
    CHECK(drain("attic", true) == 404);
    CHECK(drain("attic", false) == 404);
}

TEST_CASE("a drained origin proxy can be resumed while it is away")
{
    RoofAndCellar both;
    steer(both.remote, [](RemoteProxy& proxy) { proxy.actions().drain_origin("roof", true); });
    both.roof.control.reset();
    CHECK(eventually([&] {
        return both.remote.proxy.on_its_thread(
            [](const RemoteProxy& proxy) { return proxy.status().origins.size() == 1; });
    }));
    CHECK(steer(both.remote,
                [](RemoteProxy& proxy) { proxy.actions().drain_origin("roof", false); }) == 200);
    CHECK(kept_by(both.remote).drained_origins.empty());
}

TEST_CASE("closing an origin proxy ends its control connection and its visitors, and no others")
{
    RoofAndCellar both;
    Stream at_roof = both.visit();
    Stream roof_data = both.roof.serve();
    check_served(at_roof, roof_data);
    Stream at_cellar = both.visit();
    Stream cellar_data = both.cellar.serve();
    check_served(at_cellar, cellar_data);
    REQUIRE(steer(both.remote, [](RemoteProxy& proxy) { proxy.actions().close_origin("roof"); }) ==
            200);
    CHECK(at_roof.ending() == Ending::reset);
    CHECK(both.roof.control.receive_frame<Goodbye>().code == Code::closed_by_management);
    check_served(at_cellar, cellar_data);
    CHECK(steer(both.remote, [](RemoteProxy& proxy) { proxy.actions().close_origin("roof"); }) ==
          404);
}

TEST_CASE("a visitor is listed with its age and bytes while it is here, and can be closed")
{
    RoofAndCellar both;
    CHECK(visitors_of(both.remote).empty());
    Stream served = both.visit();
    Stream data = both.roof.serve();
    check_served(served, data);
    Stream waits = both.visit();
    both.cellar.control.receive_frame<Announce>();
    const auto listed = visitors_of(both.remote);
    REQUIRE(listed.size() == 2);
    CHECK(listed[0].address == to_string(served.local()));
    CHECK(listed[0].service == "web");
    CHECK(listed[0].origin == "roof");
    CHECK(listed[0].is_relayed);
    CHECK(listed[0].to_origin == 2);
    CHECK(listed[0].to_visitor == 4);
    CHECK(listed[1].address == to_string(waits.local()));
    CHECK(listed[1].origin == "cellar");
    CHECK_FALSE(listed[1].is_relayed);
    CHECK(listed[0].id < listed[1].id);

    CHECK(visitors_of(both.remote, listed[0].id).size() == 1);
    CHECK(visitors_of(both.remote, 0, 1).at(0).id == listed[0].id);
    CHECK(visitors_of(both.remote, 0, 9, {{}, "cellar"}).size() == 1);
    CHECK(visitors_of(both.remote, 0, 9, {"ssh", {}}).empty());

    for (const VisitorStatus& each : listed)
        CHECK(steer(both.remote, [&each](RemoteProxy& proxy) {
                  proxy.actions().close_visitor(each.id);
              }) == 200);
    CHECK(served.ending() == Ending::reset);
    CHECK(waits.ending() == Ending::reset);
    CHECK(eventually([&] { return visitors_of(both.remote).empty(); }));
    CHECK(steer(both.remote, [](RemoteProxy& proxy) { proxy.actions().close_visitor(1); }) == 404);
}

TEST_CASE("what happens is told to those who listen")
{
    Tunnelled all;
    const auto stream =
        all.remote.proxy.on_its_thread([](RemoteProxy& proxy) { return proxy.events().listen(); });
    std::string heard;
    const auto hears = [&](std::string_view type) {
        return eventually([&] {
            heard += all.remote.proxy.on_its_thread(
                [&stream](const RemoteProxy&) { return stream->take_now(); });
            return heard.find(fmt::format("event: {}\n", type)) != std::string::npos;
        });
    };
    set_tunnels(all.remote, {tunnel_at(all.port, "web", "roof")});
    CHECK(hears("service_opened"));
    all.roof.control.receive_frame<Opened>();
    Stream visitor = all.visit();
    CHECK(hears("visitor_opened"));
    Stream data = all.roof.serve();
    check_served(visitor, data);
    visitor.reset();
    CHECK(hears("visitor_closed"));
    set_tunnels(all.remote, {});
    CHECK(hears("service_closed"));
    all.roof.control.reset();
    CHECK(hears("origin_left"));
    const Origin again(all.remote, all.remote.roof);
    CHECK(hears("origin_came"));
}
