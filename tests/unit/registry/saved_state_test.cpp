#include <doctest/doctest.h>

#include <fmt/format.h>

#include "remote-proxy/registry/saved_state.hpp"

using namespace tunnel;

namespace {

PublicTunnel tunnel_at(std::uint16_t port)
{
    PublicTunnel tunnel;
    tunnel.listen_address = asio::ip::make_address("192.0.2.1");
    tunnel.listen_port = port;
    tunnel.service = "web";
    tunnel.client = "roof";
    return tunnel;
}

// Of a credential that somebody has named.
OriginName named(const std::string& credential, const std::string& own, std::size_t number = 1)
{
    return {credential, false, own, number};
}

unsigned status_of(const std::function<void()>& action)
{
    try {
        action();
    } catch (const SteeringError& error) {
        return error.status();
    }
    return 200;
}

} // namespace

TEST_CASE("what was said of a tunnel that goes does not hold for the next one at its address")
{
    SavedState state;
    state.set_tunnels({tunnel_at(80), tunnel_at(443)});
    state.drain_service(tunnel_at(80).key());
    state.drain_service(tunnel_at(443).key());
    state.drain_service("ssh");

    state.set_tunnels({tunnel_at(80)});
    CHECK(state.drained_services == std::set<std::string>{"ssh", tunnel_at(80).key()});
    state.forget(state.tunnels.front());
    CHECK(state.tunnels.empty());
    CHECK(state.drained_services == std::set<std::string>{"ssh"});
}

TEST_CASE("a tunnel that stays but is meant for another origin proxy stays drained")
{
    SavedState state;
    state.set_tunnels({tunnel_at(80)});
    state.drain_service(tunnel_at(80).key());
    PublicTunnel other = tunnel_at(80);
    other.client = "cellar";
    state.set_tunnels({other});
    CHECK(state.tunnels == std::vector{other});
    CHECK(state.drained_services.contains(other.key()));
}

TEST_CASE("no more can be drained than a state file takes, but those that are may be drained again")
{
    SavedState state;
    for (std::size_t i = 0; i < most_drained; ++i) {
        state.drain_service(fmt::format("service{}", i));
        state.drain_origin(fmt::format("origin{}", i));
    }
    CHECK(status_of([&] { state.drain_service("one more"); }) == 507);
    CHECK(status_of([&] { state.drain_origin("one more"); }) == 507);
    CHECK(state.drained_services.size() == most_drained);
    CHECK(status_of([&] { state.drain_origin("origin7"); }) == 200);
}

TEST_CASE("a service that is gone is resumed by its name, or by the last part if only one ends so")
{
    SavedState state;
    state.drained_services = {"roof/web", "cellar/web", "roof/ssh"};
    CHECK_FALSE(state.resume_departed_service("web", true));
    CHECK(state.resume_departed_service("roof/web", true));
    CHECK_FALSE(state.resume_departed_service("web", false));
    CHECK(state.resume_departed_service("web", true));
    CHECK(state.drained_services == std::set<std::string>{"roof/ssh"});
    CHECK_FALSE(state.resume_departed_service("roof", true));
}

TEST_CASE("an origin proxy is drained by its own name, its machine's or its credential's")
{
    SavedState state;
    const OriginName first = named("office", "web1");
    const OriginName twin = named("office", "web1", 2);
    const OriginName other = named("office", "web2");
    state.drain_origin("office/web1#2");
    CHECK_FALSE(state.is_drained(first));
    CHECK(state.is_drained(twin));
    state.drain_origin("office/web1");
    CHECK(state.is_drained(first));
    CHECK_FALSE(state.is_drained(other));
    state.drain_origin("office");
    CHECK(state.is_drained(other));
}

TEST_CASE("an origin proxy is not resumed alone while all of its credential are drained")
{
    SavedState state;
    const OriginName first = named("office", "web1");
    const OriginName other = named("office", "web2");
    state.drain_origin("office");
    state.drain_origin("office/web1");
    CHECK(status_of([&] { state.resume_origin("office/web1", {&first}); }) == 409);
    CHECK(state.drained_origins == std::set<std::string>{"office", "office/web1"});

    state.resume_origin("office", {&first, &other});
    CHECK(state.drained_origins.empty());
}

TEST_CASE("resuming a credential resumes those of its machines that are not here either")
{
    SavedState state;
    state.drained_origins = {"office", "office/web1", "office/web2#2", "officer", "roof"};
    state.resume_origin("office", {});
    CHECK(state.drained_origins == std::set<std::string>{"officer", "roof"});
}

TEST_CASE("the names of a certificate with and without its domain mean the same")
{
    SavedState state;
    const OriginName origin = named("roof@example.org", "");
    state.drain_origin("roof");
    CHECK(state.is_drained(origin));
    state.resume_origin("roof@example.org", {&origin});
    CHECK(state.drained_origins.empty());
    state.drain_origin("roof@example.org");
    state.resume_origin("roof", {&origin});
    CHECK(state.drained_origins.empty());
}
