// The remote proxy with several services, and origin proxies played by hand that have names.
#include <doctest/doctest.h>

#include "common/security/proof.hpp"
#include "common/transport/socket.hpp"
#include "tests/proxies/named_origins.hpp"
#include "tests/unit/captured.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

TEST_CASE("each service has an address, and its visitors go to who serves it, by its name")
{
    Remote remote({service("web"), service("ssh")});
    Origin roof(remote, remote.roof);
    Origin cellar(remote, remote.cellar);
    CHECK(is_refused(remote.outside("web")));
    CHECK(roof.opened("web").outside_address == to_string(remote.outside("web")));
    CHECK(is_refused(remote.outside("ssh")));
    cellar.opened("ssh");
    Stream to_ssh = Stream::connect(remote.outside("ssh"));
    Stream to_web = Stream::connect(remote.outside("web"));
    const auto at_cellar = cellar.control.receive_frame<Announce>();
    const auto at_roof = roof.control.receive_frame<Announce>();
    CHECK(at_cellar.service == "ssh");
    CHECK(at_cellar.visitor == to_string(to_ssh.local()));
    CHECK(at_cellar.outside == to_string(remote.outside("ssh")));
    CHECK(at_roof.service == "web");
    Stream ssh = cellar.answer(at_cellar.ticket);
    Stream web = roof.answer(at_roof.ticket);
    check_served(to_ssh, ssh);
    check_served(to_web, web);
}

TEST_CASE("a service is only for those origin proxies that the options name")
{
    Remote remote({service("web", {"roof"})});
    Origin cellar(remote, remote.cellar);
    const Declined no = cellar.declined("web");
    CHECK(no.reason == DeclineReason::not_allowed);
    CHECK(is_refused(remote.outside("web")));
    Origin roof(remote, remote.roof);
    roof.opened("web");
}

TEST_CASE("a service of the options keeps its address, whatever an origin proxy asks for")
{
    Remote remote({service("web")});
    Origin roof(remote, remote.roof);
    CHECK(roof.declined("web", ":1").reason == DeclineReason::not_allowed);
    CHECK(roof.declined("web", "198.51.100.1:0").reason == DeclineReason::not_allowed);
    roof.opened("web", fmt::format(":{}", remote.outside("web").port()));
}

TEST_CASE("an origin proxy opens what its ports allow, and nothing else")
{
    const auto [port, ports] = some_port();
    Remote remote({}, {{"roof", ports}});
    Origin roof(remote, remote.roof);
    Origin cellar(remote, remote.cellar);
    const std::string wanted = fmt::format(":{}", port);
    SUBCASE("a port of the range")
    {
        const tcp::endpoint there = endpoint_of(roof.opened("web", wanted));
        CHECK(there.port() == port);
        Stream visitor = Stream::connect(there);
        Stream data = roof.serve();
        check_served(visitor, data);
    }
    SUBCASE("any port of the range")
    {
        CHECK(endpoint_of(roof.opened("web", ":0")).port() == port);
    }
    SUBCASE("no port beside it")
    {
        CHECK(roof.declined("web", fmt::format(":{}", port + 1)).reason ==
              DeclineReason::not_allowed);
    }
    SUBCASE("no other address of the machine than that of the remote proxy's own service")
    {
        CHECK(roof.declined("web", fmt::format("127.0.0.2:{}", port)).reason ==
              DeclineReason::not_allowed);
        CHECK(roof.declined("web", fmt::format("0.0.0.0:{}", port)).reason ==
              DeclineReason::not_allowed);
    }
    SUBCASE("nothing without saying where")
    {
        CHECK(roof.declined("web").text.find(std::to_string(port)) != std::string::npos);
    }
    SUBCASE("nothing that is no address")
    {
        CHECK(roof.declined("web", "here").reason == DeclineReason::not_allowed);
    }
    SUBCASE("nothing without a good name")
    {
        for (const auto* const name : {"", "a b", "x\n", "games[x]", "games[1000]"})
            CHECK(roof.declined(name, wanted).reason == DeclineReason::not_allowed);
        roof.opened("games[12]", wanted);
    }
    SUBCASE("nothing that somebody else may open")
    {
        CHECK(cellar.declined("web", wanted).reason == DeclineReason::not_allowed);
    }
}

TEST_CASE("without a secret nobody opens a service that the options do not name")
{
    RemoteOptions options = remote_options();
    options.allow_ports = {{"", {{1024, 65535}}}};
    const RunningRemote remote(options);
    HandPlayedOrigin origin(remote.proxy().control_endpoint(), {random_bytes()},
                            [](LogIn& log_in) { log_in.features.emplace_back(feature::services); });
    CHECK(origin.control.receive_frame<Welcome>().features ==
          std::vector{std::string(feature::services)});
    const Offer offer{"web", ":0"};
    origin.control.send(offer);
    CHECK(origin.control.receive_frame<Declined>().reason == DeclineReason::not_allowed);
    const Offer only{std::string(default_service)};
    origin.control.send(only);
    CHECK(origin.control.receive_frame<Opened>().outside_address ==
          to_string(remote.proxy().outside_endpoint()));
}

TEST_CASE("an address that is taken is declined, and opened once it is free")
{
    const auto [port, ports] = some_port();
    auto taken = std::make_unique<Server>(tcp::endpoint(asio::ip::address_v4::loopback(), port));
    Remote remote({}, {{"roof", ports}});
    Origin roof(remote, remote.roof);
    CHECK(roof.declined("web", fmt::format(":{}", port)).reason == DeclineReason::cannot_listen);
    taken.reset();
    roof.control.send(Heartbeat());
    CHECK(roof.control.receive_frame<Opened>().service == "web");
}

TEST_CASE("visitors of two origin proxies are shared out, to the one that has fewer")
{
    RoofAndCellar both;
    auto& [remote, roof, cellar] = both;
    Stream first = Stream::connect(remote.outside("web"));
    Stream at_roof = roof.serve();
    Stream second = Stream::connect(remote.outside("web"));
    Stream at_cellar = cellar.serve();
    check_served(first, at_roof);
    check_served(second, at_cellar);
    first.reset();
    CHECK(eventually([&] { return remote.visitors() == 1; }));
    Stream third = Stream::connect(remote.outside("web"));
    Stream again = roof.serve();
    check_served(third, again);
}

TEST_CASE("the balance of a service can be to the first that is named, as long as it is there")
{
    RemoteService web = service("web", {"cellar", "roof"});
    web.balance = Balance::first;
    Remote remote({web});
    Origin roof(remote, remote.roof);
    roof.opened("web");
    {
        Origin cellar(remote, remote.cellar);
        cellar.opened("web");
        for (int i = 0; i < 3; ++i) {
            Stream visitor = Stream::connect(remote.outside("web"));
            Stream data = cellar.serve();
            check_served(visitor, data);
        }
        cellar.control.reset();
    }
    Stream visitor = Stream::connect(remote.outside("web"));
    Stream data = roof.serve(); // also if the other one was told of it before it was lost
    check_served(visitor, data);
}

TEST_CASE("the balance of a service can be in turn")
{
    RemoteService web = service("web");
    web.balance = Balance::round_robin;
    RoofAndCellar both(web);
    auto& [remote, roof, cellar] = both;
    for (int i = 0; i < 3; ++i) {
        Stream one = Stream::connect(remote.outside("web"));
        Stream at_roof = roof.serve();
        check_served(one, at_roof);
        one.reset(); // so that it would have fewer
        Stream other = Stream::connect(remote.outside("web"));
        Stream at_cellar = cellar.serve();
        check_served(other, at_cellar);
    }
}

TEST_CASE("a visitor that one origin proxy refuses is announced to the other, with another ticket")
{
    RoofAndCellar both;
    auto& [remote, roof, cellar] = both;
    Stream visitor = Stream::connect(remote.outside("web"));
    visitor.send("early");
    const auto first = roof.control.receive_frame<Announce>();
    SUBCASE("on the control connection")
    {
        roof.control.send(Refuse{first.ticket, "no server"});
    }
    SUBCASE("on the data connection")
    {
        Stream data = Stream::connect(remote.proxy.proxy().control_endpoint());
        data.send(magic_bytes() + encode(roof.dial_back(first.ticket)) +
                  encode(Refuse{first.ticket, "no server"}));
        CHECK(data.ending() != Ending::silence);
    }
    const auto second = cellar.control.receive_frame<Announce>();
    CHECK(second.visitor == first.visitor);
    CHECK(second.ticket != first.ticket);
    Stream data = cellar.answer(second.ticket);
    CHECK(data.receive(8) == data_frame("early"));
    data.send(data_frame("late"));
    CHECK(visitor.receive(4) == "late");
    // And the one that refused comes last for a while.
    Stream next = Stream::connect(remote.outside("web"));
    Stream at_cellar = cellar.serve();
    check_served(next, at_cellar);
}

TEST_CASE("visitors go to servers that are well, and to others only if there is none")
{
    Remote remote({service("web")});
    Origin roof(remote, remote.roof);
    Origin cellar(remote, remote.cellar);
    roof.opened("web");
    cellar.opened("web");
    const auto tell = [](Origin& origin, ServerState state) {
        origin.control.send(ServerHealth{"web", state, "it answers 503"});
        origin.control.send(Probe());
        CHECK(origin.control.receive(3) == encode(Heartbeat())); // it has been read
    };
    const auto all_go_to = [&remote](Origin& origin) {
        std::vector<std::pair<Stream, Stream>> kept; // so that the other has fewer
        for (int i = 0; i < 3; ++i) {
            Stream visitor = Stream::connect(remote.outside("web"));
            Stream data = origin.serve();
            check_served(visitor, data);
            kept.emplace_back(std::move(visitor), std::move(data));
        }
    };
    tell(roof, ServerState::ill);
    all_go_to(cellar);
    SUBCASE("a state that nobody knows yet changes nothing")
    {
        tell(roof, ServerState{3});
        all_go_to(cellar);
    }
    SUBCASE("where all are ill they are shared out as ever")
    {
        tell(cellar, ServerState::ill);
        CHECK(eventually([&] { return remote.visitors() == 0; }));
        Stream first = Stream::connect(remote.outside("web"));
        Stream second = Stream::connect(remote.outside("web"));
        roof.serve();
        cellar.serve();
    }
    SUBCASE("it is healthy again")
    {
        tell(roof, ServerState::well);
        tell(cellar, ServerState::ill);
        all_go_to(roof);
    }
    SUBCASE("it is withdrawn and offered anew")
    {
        roof.control.send(Withdraw{"web"});
        roof.opened("web");
        tell(cellar, ServerState::ill);
        all_go_to(roof);
    }
    SUBCASE("it is ill still where the other one is gone")
    {
        cellar.control.reset();
        all_go_to(roof);
    }
}

TEST_CASE("what is told of a server whose service is not offered is forgotten")
{
    Remote remote({service("web"), service("ssh")});
    Origin roof(remote, remote.roof);
    Origin cellar(remote, remote.cellar);
    cellar.opened("web");
    roof.control.send(ServerHealth{"web", ServerState::ill, ""});
    roof.control.send(ServerHealth{"none", ServerState::ill, ""});
    roof.opened("web");
    cellar.control.send(ServerHealth{"web", ServerState::ill, ""});
    CHECK(cellar.opened("ssh").service == "ssh"); // and so it has been read
    Stream visitor = Stream::connect(remote.outside("web"));
    Stream data = roof.serve();
    check_served(visitor, data);
}

TEST_CASE("a visitor that all origin proxies refuse is reset")
{
    RoofAndCellar both;
    auto& [remote, roof, cellar] = both;
    Stream visitor = Stream::connect(remote.outside("web"));
    roof.control.send(Refuse{roof.control.receive_frame<Announce>().ticket, "no server"});
    cellar.control.send(Refuse{cellar.control.receive_frame<Announce>().ticket, "none here"});
    CHECK(visitor.ending() == Ending::reset);
}

TEST_CASE("visitors that wait for an origin proxy that is lost are served by the other")
{
    Remote remote({service("web")});
    Origin roof(remote, remote.roof);
    Origin cellar(remote, remote.cellar);
    roof.opened("web");
    Stream visitor = Stream::connect(remote.outside("web"));
    const auto first = roof.control.receive_frame<Announce>();
    cellar.opened("web");
    roof.control.reset();
    const auto second = cellar.control.receive_frame<Announce>();
    CHECK(second.visitor == first.visitor);
    Stream data = cellar.answer(second.ticket);
    check_served(visitor, data);
}

TEST_CASE("a ticket is good only for the origin proxy that was told it")
{
    Remote remote({service("web")});
    Origin roof(remote, remote.roof);
    Origin cellar(remote, remote.cellar);
    roof.opened("web");
    Stream visitor = Stream::connect(remote.outside("web"));
    const auto announced = roof.control.receive_frame<Announce>();
    Stream stolen = cellar.answer(announced.ticket);
    CHECK(gets_nothing(stolen));
    cellar.control.send(Refuse{announced.ticket, "not mine"});
    cellar.control.send(Probe());
    Stream data = roof.answer(announced.ticket);
    check_served(visitor, data);
}

TEST_CASE("an origin proxy may not offer without end")
{
    Remote remote({service("web")});
    Origin roof(remote, remote.roof);
    for (int i = 0; i < 1000; ++i)
        roof.declined(fmt::format("service-{}", i));
    CHECK(roof.declined("web").reason == DeclineReason::too_many);
}

TEST_CASE("reloading opens new services, closes those that are gone, and touches no other")
{
    Remote remote({service("stays"), service("goes")});
    Origin roof(remote, remote.roof);
    roof.opened("stays");
    roof.opened("goes");
    CHECK(roof.declined("comes").reason == DeclineReason::not_allowed);
    const tcp::endpoint stays = remote.outside("stays");
    const tcp::endpoint goes = remote.outside("goes");
    Stream one = Stream::connect(stays);
    Stream data_of_one = roof.serve();
    Stream other = Stream::connect(goes);
    Stream data_of_other = roof.serve();
    Stream waits = Stream::connect(goes);
    roof.control.receive_frame<Announce>();

    remote.options.services = {service("stays"), service("comes")};
    remote.reload();
    const auto gone = roof.control.receive_frame<Declined>();
    CHECK(gone.service == "goes");
    CHECK(gone.reason == DeclineReason::removed);
    CHECK(roof.control.receive_frame<Opened>().service == "comes");
    CHECK(is_refused(goes));
    CHECK(remote.outside("stays") == stays);
    check_served(one, data_of_one);
    check_served(other, data_of_other);
    Stream fresh = Stream::connect(remote.outside("comes"));
    Stream data = roof.serve();
    check_served(fresh, data);
}

TEST_CASE("reloading what is wrong changes nothing")
{
    Remote remote({service("web")});
    Origin roof(remote, remote.roof);
    roof.opened("web");
    const tcp::endpoint web = remote.outside("web");
    const Server taken;
    SUBCASE("since an address is taken")
    {
        RemoteService other = service("other");
        other.outside_address.port = taken.endpoint().port();
        remote.options.services = {other};
    }
    SUBCASE("since the secrets cannot be read")
    {
        remote.options.services = {service("other")};
        remote.file.write("nothing");
    }
    CHECK_FALSE(remote.reload().empty());
    CHECK(remote.outside("web") == web);
    Stream visitor = Stream::connect(web);
    Stream data = roof.serve();
    check_served(visitor, data);
}

TEST_CASE("reloading moves an address from one service to another, and changes limits in place")
{
    Remote remote({service("old"), service("web")});
    Origin roof(remote, remote.roof);
    roof.opened("web");
    Stream first = Stream::connect(remote.outside("web"));
    Stream data = roof.serve();
    const std::uint16_t port = remote.outside("old").port();
    remote.options.services[0].outside_address.port = port;
    remote.reload(); // the same port, asked for by its number: it moves to itself
    CHECK(remote.outside("old").port() == port);
    remote.options.services[0].name = "new";
    remote.options.services[1].rules.visitors.max_connections = 1;
    remote.reload();
    CHECK(remote.outside("new").port() == port);
    check_served(first, data);
    Stream second = Stream::connect(remote.outside("web"));
    CHECK(second.ending() == Ending::reset);
}

TEST_CASE("rights that are taken away close what was opened by them")
{
    const auto [port, ports] = some_port();
    Remote remote({}, {{"roof", ports}});
    Origin roof(remote, remote.roof);
    const tcp::endpoint there = endpoint_of(roof.opened("web", ":0"));
    remote.options.allow_ports = {{"roof", {}}};
    remote.reload();
    CHECK(roof.control.receive_frame<Declined>().service == "web");
    CHECK(eventually([&] { return is_refused(there); }));
}

TEST_CASE("a service that an origin proxy has opened is nobody else's, however he logs in")
{
    const auto [port, ports] = some_port();
    Remote remote({service("other")}, {{"roof", ports}});
    Origin roof(remote, remote.roof);
    roof.opened("web", ":0");
    LogIn log_in = claiming(remote.cellar);
    log_in.service = "web";
    Stream control = Stream::connect(remote.proxy.proxy().control_endpoint());
    control.send(magic_bytes() + encode(log_in));
    const auto challenge = control.receive_frame<Challenge>();
    control.send(Proof{prove(remote.cellar.log_in, Role::origin, log_in, challenge.nonce)});
    CHECK(control.receive_frame<Reject>().reason == RejectReason::service);
}

TEST_CASE("an offer of another address that cannot be had leaves the service where it was")
{
    const Server taken;
    const auto [port, ports] = some_port();
    const std::uint16_t other = taken.endpoint().port();
    Remote remote({}, {{"roof", {{port, port}, {other, other}}}});
    Origin roof(remote, remote.roof);
    const tcp::endpoint there = endpoint_of(roof.opened("web", fmt::format(":{}", port)));
    CHECK(roof.declined("web", fmt::format(":{}", other)).reason == DeclineReason::cannot_listen);
    CHECK_FALSE(is_refused(there));
}

TEST_CASE("visitors whose origin server hangs leave room for those of other services")
{
    Remote remote({service("hangs"), service("web")});
    Origin roof(remote, remote.roof);
    roof.opened("hangs");
    roof.opened("web");
    std::vector<Stream> waiting;
    const std::size_t many = remote.options.max_waiting;
    for (std::size_t i = 0; i < many / 4 + 10; ++i)
        waiting.push_back(Stream::connect(remote.outside("hangs")));
    Stream visitor = Stream::connect(remote.outside("web"));
    visitor.send("up");
    auto announced = roof.control.receive_frame<Announce>();
    while (announced.service != "web")
        announced = roof.control.receive_frame<Announce>();
    Stream data = roof.answer(announced.ticket);
    CHECK(data.receive(5) == data_frame("up"));
    CHECK(remote.visitors() <= many / 4 + 2);
}

TEST_CASE("offers for which no port is left keep no turn long, and a port that gets free is taken")
{
    const std::uint16_t first = some_port().first;
    Remote remote({}, {{"roof", {{first, static_cast<std::uint16_t>(first + 200)}}}});
    Origin roof(remote, remote.roof);
    std::vector<std::string> opened;
    std::string offers;
    constexpr std::size_t many = 1000;
    for (std::size_t i = 0; i < many; ++i)
        offers += encode(Offer{fmt::format("s{}", i), ":0"});
    roof.control.send(offers);
    for (std::size_t i = 0; i < many; ++i) {
        const auto frame = roof.control.receive_frame();
        if (const auto* const one = std::get_if<Opened>(&frame))
            opened.push_back(one->service);
        else
            CHECK(std::get<Declined>(frame).reason == DeclineReason::cannot_listen);
    }
    REQUIRE(opened.size() > 100);
    REQUIRE(opened.size() <= 201);
    remote.reload(); // the watch on turns fails the test if it takes one of them
    roof.control.send(Withdraw{opened.front()});
    roof.control.send(Offer{"late", ":0"});
    // By this offer, or by one of the others, which are considered meanwhile.
    Frame frame = roof.control.receive_frame();
    while (std::holds_alternative<Declined>(frame))
        frame = roof.control.receive_frame();
    CHECK(std::ranges::find(opened, std::get<Opened>(frame).service) == opened.end());
}

TEST_CASE(
    "searches for a port are few in a second, whatever address is wanted and what is withdrawn")
{
    const std::uint16_t first = some_port().first;
    Remote remote({service("web")}, {{"roof", {{first, static_cast<std::uint16_t>(first + 2)}}}});
    Origin roof(remote, remote.roof);
    const auto offer = [&](const std::string& name, const std::string& where) {
        roof.offer(name, where);
        return std::holds_alternative<Opened>(roof.control.receive_frame());
    };
    std::vector<std::string> opened;
    for (const auto name : {"a", "b", "c"}) {
        if (offer(name, ":0"))
            opened.emplace_back(name);
    }
    REQUIRE(!opened.empty());
    for (int i = 1; i <= 20; ++i)
        CHECK_FALSE(offer(fmt::format("at{}", i), fmt::format("127.0.0.{}:0", i)));
    // The port that gets free is found, as long as searches are left in this second.
    roof.control.send(Withdraw{opened.front()});
    CHECK(offer("late", ":0"));
}

TEST_CASE("a reload that would leave nobody to be trusted changes nothing")
{
    Remote remote({service("web")});
    Origin roof(remote, remote.roof);
    roof.opened("web");
    remote.options.trust.secrets_file.clear();
    CHECK(remote.reload().starts_with("the options name nobody any more who may log in"));
    CHECK_FALSE(
        remote.proxy.on_its_thread([](RemoteProxy& proxy) { return proxy.trusts_anyone(); }));
    Stream stranger = Stream::connect(remote.proxy.proxy().control_endpoint());
    stranger.send(magic_bytes() + encode(log_in_by_hand()));
    CHECK(stranger.receive_frame<Reject>().reason == RejectReason::not_trusted);
    Stream visitor = Stream::connect(remote.outside("web"));
    Stream data = roof.serve();
    check_served(visitor, data);
}
