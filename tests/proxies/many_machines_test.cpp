// Many origin proxies with one secret, and what several of them want.
#include <doctest/doctest.h>

#include "common/transport/socket.hpp"
#include "tests/proxies/named_origins.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

// A machine that runs an origin proxy by hand.
struct Machine : Origin {
    Machine(Remote& to, const Credential& secret, std::string name, OriginId id = {random_bytes()})
        : Origin(to, secret, std::move(name), id)
    {
    }

    // Says that it is there, as soon as it is asked.
    void answer_probe()
    {
        CHECK(std::holds_alternative<Probe>(control.receive_frame()));
        control.send(Heartbeat());
    }

    std::string address() const { return to_string(control.local()); }
};

std::string at_port(std::uint16_t port)
{
    return fmt::format(":{}", port);
}

bool is_in(std::string_view part, std::string_view text)
{
    return text.find(part) != std::string_view::npos;
}

// Two ports that all who have the secret of roof may open.
struct House {
    explicit House(milliseconds patience = 10s)
        : remote({},
                 {{"roof", {ports[0].second.front(), ports[1].second.front()}},
                  {"cellar", {ports[0].second.front(), ports[1].second.front()}}},
                 {}, patience)
    {
    }

    std::uint16_t port(std::size_t i) const { return ports.at(i).first; }

    RemoteStatus status()
    {
        return remote.proxy.on_its_thread([](RemoteProxy& proxy) { return proxy.status(); });
    }

    std::vector<std::string> services()
    {
        std::vector<std::string> names;
        for (const auto& each : status().services) {
            if (each.from == ServiceSource::origin)
                names.push_back(each.name);
        }
        return names;
    }

    std::vector<std::string> origins()
    {
        std::vector<std::string> names;
        for (const auto& each : status().origins)
            names.push_back(each.name);
        return names;
    }

    std::vector<std::pair<std::uint16_t, PortRanges>> ports{some_port(), some_port()};
    Remote remote;
};

void check_visit(Machine& machine, const Opened& opened)
{
    Stream visitor = Stream::connect(endpoint_of(opened));
    Stream data = machine.serve();
    check_served(visitor, data);
}

} // namespace

TEST_CASE("two machines with one secret each open a service of the same name")
{
    House house;
    Machine attic(house.remote, house.remote.roof, "attic");
    Machine shed(house.remote, house.remote.roof, "shed");
    check_visit(attic, attic.opened("ssh", at_port(house.port(0))));
    check_visit(shed, shed.opened("ssh", at_port(house.port(1))));
    CHECK(house.services() == std::vector<std::string>{"roof/shed/ssh", "roof/ssh"});
    CHECK(house.origins() == std::vector<std::string>{"roof/attic", "roof/shed"});
}

TEST_CASE("names of services that origin proxies open are their own")
{
    House house;
    Machine roof(house.remote, house.remote.roof, "pc");
    Machine cellar(house.remote, house.remote.cellar, "pc");
    check_visit(roof, roof.opened("ssh", at_port(house.port(0))));
    check_visit(cellar, cellar.opened("ssh", at_port(house.port(1))));
    CHECK(house.services() == std::vector<std::string>{"cellar/ssh", "roof/ssh"});
}

TEST_CASE("a port that another origin proxy has is in use by that one, until it gives it up")
{
    House house;
    const std::string port = at_port(house.port(0));
    Machine first(house.remote, house.remote.roof, "attic");
    std::optional<Machine> second;
    SUBCASE("with the same secret")
    {
        second.emplace(house.remote, house.remote.roof, "shed");
    }
    SUBCASE("with another secret")
    {
        second.emplace(house.remote, house.remote.cellar, "attic");
    }
    SUBCASE("with the same secret, and no name, as an older program")
    {
        second.emplace(house.remote, house.remote.roof, "");
    }
    const Opened opened = first.opened("ssh", port);
    second->offer("web", port);
    first.answer_probe();
    const auto no = second->control.receive_frame<Declined>();
    CHECK(no.reason == DeclineReason::in_use);
    CHECK(is_in("in use by roof/attic at " + first.address(), no.text));
    check_visit(first, opened);
    first.control.send(Withdraw{"ssh"});
    check_visit(*second, second->control.receive_frame<Opened>());
}

TEST_CASE("a holder that does not answer loses what another one wants")
{
    House house(200ms);
    const std::string port = at_port(house.port(0));
    Machine silent(house.remote, house.remote.roof, "attic");
    silent.opened("ssh", port);
    std::optional<Machine> other;
    SUBCASE("another machine")
    {
        other.emplace(house.remote, house.remote.roof, "shed");
    }
    SUBCASE("another secret")
    {
        other.emplace(house.remote, house.remote.cellar, "shed");
    }
    SUBCASE("the same machine, after a loss of power")
    {
        other.emplace(house.remote, house.remote.roof, "attic");
    }
    const auto began = Clock::now();
    check_visit(*other, other->opened("ssh", port));
    CHECK(Clock::now() - began < 2s);
    CHECK(silent.control.ending() != Ending::silence);
}

TEST_CASE("a holder that falls silent while another one waits loses what that one wants")
{
    House house(500ms);
    const std::string port = at_port(house.port(0));
    Machine first(house.remote, house.remote.roof, "attic");
    Machine second(house.remote, house.remote.roof, "shed");
    first.opened("ssh", port);
    second.offer("ssh", port);
    first.answer_probe();
    CHECK(second.control.receive_frame<Declined>().reason == DeclineReason::in_use);
    const auto began = Clock::now();
    check_visit(second, second.control.receive_frame<Opened>());
    CHECK(Clock::now() - began < 3s);
}

TEST_CASE("an origin proxy that was killed has its services again at once")
{
    House house;
    const std::string port = at_port(house.port(0));
    std::optional<Machine> machine(std::in_place, house.remote, house.remote.roof, "attic");
    machine->opened("ssh", port);
    const auto began = Clock::now();
    SUBCASE("under the same name of the service")
    {
        machine->control.reset();
        machine.emplace(house.remote, house.remote.roof, "attic");
        check_visit(*machine, machine->opened("ssh", port));
    }
    SUBCASE("under another one at the same port")
    {
        machine->control.reset();
        CHECK(eventually([&] { return house.origins().empty(); }));
        machine.emplace(house.remote, house.remote.roof, "attic");
        check_visit(*machine, machine->opened("sftp", port));
    }
    SUBCASE("the same run, before its end was noticed")
    {
        const OriginId id = machine->log_in.origin;
        Machine again(house.remote, house.remote.roof, "attic", id);
        CHECK(machine->control.ending() != Ending::silence);
        check_visit(again, again.opened("ssh", port));
    }
    CHECK(Clock::now() - began < 5s); // a silent one may take ten
}

TEST_CASE("a port of an origin proxy that is gone is another's after a moment")
{
    House house(300ms);
    const std::string port = at_port(house.port(0));
    Machine first(house.remote, house.remote.roof, "attic");
    Machine second(house.remote, house.remote.cellar, "pc");
    first.opened("ssh", port);
    first.control.reset();
    CHECK(eventually([&] { return house.origins().size() == 1; }));
    const auto began = Clock::now();
    check_visit(second, second.opened("ssh", port));
    CHECK(Clock::now() - began < 2s);
}

TEST_CASE("two runs of one name live side by side, and only what both want is declined")
{
    House house;
    Machine first(house.remote, house.remote.roof, "debian");
    first.opened("ssh", at_port(house.port(0)));
    Machine second(house.remote, house.remote.roof, "debian");
    first.answer_probe();
    CHECK(house.origins() == std::vector<std::string>{"roof/debian", "roof/debian#2"});
    check_visit(second, second.opened("web", at_port(house.port(1))));
    second.offer("ssh", at_port(house.port(1)));
    first.answer_probe();
    const auto no = second.control.receive_frame<Declined>();
    CHECK(no.reason == DeclineReason::in_use);
    CHECK(is_in("in use by roof/debian at " + first.address(), no.text));
    CHECK(is_in("--name", no.text));
    CHECK_FALSE(first.control.readable_within(50ms)); // nobody has told it to go
}

TEST_CASE("an origin proxy that wants one port twice is told which of its services has it")
{
    House house;
    Machine machine(house.remote, house.remote.roof, "attic");
    machine.opened("ssh", at_port(house.port(0)));
    const Declined no = machine.declined("web", at_port(house.port(0)));
    CHECK(is_in("\"ssh\"", no.text));
    machine.control.send(Withdraw{"ssh"});
    CHECK(machine.control.receive_frame<Opened>().service == "web");
}

TEST_CASE("machines with one secret share a service of the options")
{
    Remote remote({service("web", {"roof"})});
    Machine attic(remote, remote.roof, "attic");
    Machine shed(remote, remote.roof, "shed");
    attic.opened("web");
    shed.opened("web");
    Stream first = Stream::connect(remote.outside("web"));
    Stream at_attic = attic.serve();
    Stream second = Stream::connect(remote.outside("web"));
    Stream at_shed = shed.serve();
    check_served(first, at_attic);
    check_served(second, at_shed);
}

TEST_CASE("a service of the options for others keeps nobody from one of his own at another port")
{
    const auto [port, ports] = some_port();
    Remote remote({service("web", {"cellar"})}, {{"roof", ports}});
    Machine roof(remote, remote.roof, "attic");
    Machine cellar(remote, remote.cellar, "pc");
    CHECK(roof.declined("web").reason == DeclineReason::not_allowed);
    cellar.opened("web");
    const Opened own = roof.opened("web", at_port(port));
    CHECK(endpoint_of(own).port() == port);
    check_visit(roof, own);
}

TEST_CASE("without a secret each service has one origin proxy, and others are told which")
{
    RemoteOptions options = remote_options();
    options.outside_address = std::nullopt;
    options.services = {service("a"), service("b")};
    options.probe_timeout = 10s;
    const RunningRemote remote(options);
    const auto come = [&remote](const std::string& name) {
        HandPlayedOrigin origin(remote.proxy().control_endpoint(), {random_bytes()},
                                [&name](LogIn& log_in) {
                                    log_in.name = name;
                                    log_in.features.emplace_back(feature::services);
                                });
        origin.control.receive_frame<Welcome>();
        return origin;
    };
    const Offer a{"a"};
    const Offer b{"b"};
    HandPlayedOrigin first = come("attic");
    HandPlayedOrigin second = come("shed");
    first.control.send(a);
    first.control.receive_frame<Opened>();
    second.control.send(b);
    CHECK(second.control.receive_frame<Opened>().service == "b");
    second.control.send(a);
    while (!std::holds_alternative<Probe>(first.control.receive_frame())) {
    }
    first.control.send(Heartbeat());
    const auto no = second.control.receive_frame<Declined>();
    CHECK(no.reason == DeclineReason::in_use);
    CHECK(is_in("service \"a\"", no.text));
    CHECK(is_in("in use by attic at " + to_string(first.control.local()), no.text));
    first.control.reset();
    CHECK(second.control.receive_frame<Opened>().service == "a");
}

TEST_CASE("whoever asks for a service without a name is told which there are")
{
    RemoteOptions options = remote_options();
    options.outside_address = std::nullopt;
    options.services = {service("a"), service("b")};
    const RunningRemote remote(options);
    HandPlayedOrigin origin(remote.proxy().control_endpoint());
    const auto reject = origin.control.receive_frame<Reject>();
    CHECK(reject.reason == RejectReason::service);
    CHECK(is_in("\"a\", \"b\"", reject.text));
}

TEST_CASE("a name of an origin proxy that is none is refused with the words for it")
{
    const RunningRemote remote(remote_options());
    HandPlayedOrigin origin(remote.proxy().control_endpoint(), {random_bytes()},
                            [](LogIn& log_in) { log_in.name = "a/b"; });
    const auto reject = origin.control.receive_frame<Reject>();
    CHECK(reject.reason == RejectReason::name);
    CHECK(is_in("--name", reject.text));
}

TEST_CASE("however many machines come with one secret, there is room for those with another")
{
    Remote remote({service("web")}, {}, 64);
    std::vector<Machine> crowd;
    std::string reason;
    for (int i = 0; i < 50 && reason.empty(); ++i) {
        try {
            crowd.emplace_back(remote, remote.roof, fmt::format("m{}", i));
        } catch (const std::bad_variant_access&) { // a reject
            reason = "full";
        }
    }
    CHECK(reason == "full");
    CHECK(crowd.size() >= 3);
    Machine other(remote, remote.cellar, "pc");
    other.opened("web");
}

TEST_CASE("an origin proxy can be drained by its name, and all of a secret by that one's")
{
    Remote remote({service("web")});
    Machine attic(remote, remote.roof, "attic");
    Machine shed(remote, remote.roof, "shed");
    attic.opened("web");
    shed.opened("web");
    const auto drain = [&remote](const std::string& name, bool drained) {
        return remote.proxy.on_its_thread([&](RemoteProxy& proxy) -> unsigned {
            try {
                proxy.actions().drain_origin(name, drained);
            } catch (const SteeringError& error) {
                return error.status();
            }
            return 200;
        });
    };
    CHECK(drain("roof/attic", true) == 200);
    for (int i = 0; i < 3; ++i) {
        Stream visitor = Stream::connect(remote.outside("web"));
        Stream data = shed.serve();
        check_served(visitor, data);
    }
    CHECK(drain("roof", true) == 200);
    CHECK(eventually([&] { return is_refused(remote.outside("web")); }));
    CHECK(drain("roof/attic", false) == 409); // all of them are, and not this one alone
    CHECK(drain("roof", false) == 200);
    CHECK_FALSE(is_refused(remote.outside("web")));
    CHECK(drain("attic", true) == 404);
}

TEST_CASE(
    "a drained service of an origin proxy is meant by each of its names, also when it is back")
{
    House house;
    const std::string port = at_port(house.port(0));
    std::optional<Machine> attic(std::in_place, house.remote, house.remote.roof, "attic");
    attic->opened("ssh", port);
    const auto drain = [&house](const std::string& name, bool drained) {
        return house.remote.proxy.on_its_thread([&](RemoteProxy& proxy) -> unsigned {
            try {
                proxy.actions().drain_service(name, drained);
            } catch (const SteeringError& error) {
                return error.status();
            }
            return 200;
        });
    };
    const auto is_drained = [&house](const std::string& name) {
        for (const auto& each : house.status().services) {
            if (each.name == name)
                return each.drained;
        }
        throw std::runtime_error("no service " + name);
    };
    CHECK(drain("ssh", true) == 200);
    CHECK(drain("roof/ssh", false) == 200);
    CHECK(drain("roof/attic/ssh", true) == 200);
    CHECK(drain("attic/ssh", true) == 404);
    attic->control.reset();
    CHECK(eventually([&] { return house.origins().empty(); }));
    CHECK(eventually([&] { return house.services().empty(); }));
    // Another machine comes first this time, and is not meant.
    Machine shed(house.remote, house.remote.roof, "shed");
    shed.opened("ssh", at_port(house.port(1)));
    attic.emplace(house.remote, house.remote.roof, "attic");
    attic->opened("ssh", port);
    CHECK_FALSE(is_drained("roof/ssh"));
    CHECK(is_drained("roof/attic/ssh"));
    CHECK(drain("ssh", false) == 404); // it could be either
    CHECK(drain("roof/attic/ssh", false) == 200);
}
