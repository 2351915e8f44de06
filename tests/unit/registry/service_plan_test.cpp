#include <doctest/doctest.h>

#include "remote-proxy/registry/service_plan.hpp"

using namespace tunnel;

namespace {

using From = ServiceSource;

tcp::endpoint place(std::string_view host, std::uint16_t port)
{
    return {asio::ip::make_address(host), port};
}

PresentService present(std::string name, From from, std::string_view host, std::uint16_t port)
{
    PresentService service{std::move(name), from};
    service.address = {std::string(host), port};
    service.where = place(host, port);
    return service;
}

// Opened by an origin proxy of this credential.
PresentService opened(std::string name, std::string offer, std::string owner)
{
    PresentService service = present(std::move(name), From::origin, "0.0.0.0", 7000);
    service.offer = std::move(offer);
    service.owner = std::move(owner);
    return service;
}

WantedService wanted(std::string name, std::string_view host, std::uint16_t port)
{
    return {std::move(name), {std::string(host), port}, place(host, port)};
}

// One that shares a front.
PresentService named(std::string name, From from, std::vector<std::string> hosts)
{
    PresentService service{std::move(name), from};
    service.where = place("0.0.0.0", 443);
    service.names = {ServiceKind::tls, std::move(hosts)};
    return service;
}

WantedService wanted(std::string name, std::vector<std::string> hosts)
{
    WantedService service{std::move(name)};
    service.names = {ServiceKind::tls, std::move(hosts)};
    return service;
}

// "name: why", in the order of the plan.
std::string closing(const ServicePlan& plan)
{
    std::string all;
    for (const ServicePlan::Closing& each : plan.closing)
        all += (all.empty() ? "" : "; ") + each.name + ": " + std::string(each.why);
    return all;
}

using Places = std::vector<std::size_t>;

} // namespace

TEST_CASE("a service that is named with the same address stays as it is")
{
    const auto plan = plan_services({present("web", From::options, "0.0.0.0", 80)}, From::options,
                                    {wanted("web", "0.0.0.0", 80), wanted("ssh", "0.0.0.0", 22)});
    CHECK(closing(plan) == "");
    CHECK(plan.staying == Places{0});
    CHECK(plan.at_once == Places{1});
    CHECK(plan.afterwards.empty());
}

TEST_CASE("a service that is not named any more closes, and one of another address begins anew")
{
    const auto plan = plan_services({present("ssh", From::options, "0.0.0.0", 22),
                                     present("web", From::options, "0.0.0.0", 80)},
                                    From::options, {wanted("web", "0.0.0.0", 8080)});
    CHECK(closing(plan) == "ssh: it is gone from the options; "
                           "web: its address has changed in the options");
    CHECK(plan.staying.empty());
    CHECK(plan.at_once == Places{0});
}

TEST_CASE("an address that one service gives up and another takes is listened at afterwards")
{
    const std::vector<PresentService> two = {present("a", From::options, "0.0.0.0", 80),
                                             present("b", From::options, "192.0.2.1", 81)};
    SUBCASE("two that change places")
    {
        const auto plan = plan_services(two, From::options,
                                        {wanted("a", "192.0.2.1", 81), wanted("b", "0.0.0.0", 80)});
        CHECK(plan.closing.size() == 2);
        CHECK(plan.at_once.empty());
        CHECK(plan.afterwards == Places{0, 1});
    }
    SUBCASE("all addresses instead of one, and one instead of all")
    {
        const auto plan = plan_services(two, From::options,
                                        {wanted("a", "192.0.2.7", 80), wanted("b", "0.0.0.0", 81)});
        CHECK(plan.afterwards == Places{0, 1});
    }
    SUBCASE("another address with the same port is free at once")
    {
        const auto plan = plan_services(two, From::options,
                                        {wanted("a", "0.0.0.0", 80), wanted("b", "192.0.2.2", 81)});
        CHECK(plan.staying == Places{0});
        CHECK(plan.at_once == Places{1});
    }
}

TEST_CASE("what the options name goes before what an origin proxy has opened under that name")
{
    const std::vector<PresentService> all = {opened("cellar/web", "web", "cellar"),
                                             opened("roof/web", "web", "roof"),
                                             opened("roof/ssh", "ssh", "roof")};
    auto web = wanted("web", "0.0.0.0", 80);
    CHECK(closing(plan_services(all, From::options, {web})) ==
          "cellar/web: the options name one that is called so; "
          "roof/web: the options name one that is called so");
    web.origins = {"roof"}; // the other one may not serve it, and keeps its own
    CHECK(closing(plan_services(all, From::options, {web})) ==
          "roof/web: the options name one that is called so");
}

TEST_CASE("what the options name has its address before tunnels, unless it is there already")
{
    const std::vector<PresentService> all = {
        present("192.0.2.1:80", From::management, "192.0.2.1", 80),
        present("192.0.2.1:81", From::management, "192.0.2.1", 81),
        present("old", From::options, "192.0.2.9", 90)};
    const auto plan = plan_services(all, From::options,
                                    {wanted("old", "192.0.2.9", 90), wanted("web", "0.0.0.0", 80)});
    CHECK(closing(plan) == "192.0.2.1:80: the options name a service at its address");
    CHECK(plan.staying == Places{0});
    CHECK(plan.afterwards == Places{1});
}

TEST_CASE("other tunnels touch neither the services of the options nor those of origin proxies")
{
    const std::vector<PresentService> all = {
        present("192.0.2.1:81", From::management, "192.0.2.1", 81),
        present("192.0.2.1:82", From::management, "192.0.2.1", 82),
        present("web", From::options, "0.0.0.0", 80), opened("roof/ssh", "ssh", "roof")};
    const auto plan =
        plan_services(all, From::management,
                      {wanted("192.0.2.1:82", "192.0.2.1", 82), wanted("0.0.0.0:81", "0.0.0.0", 81),
                       wanted("192.0.2.1:83", "192.0.2.1", 83)});
    CHECK(closing(plan) == "192.0.2.1:81: closed by the management interface");
    CHECK(plan.staying == Places{0});
    CHECK(plan.afterwards == Places{1});
    CHECK(plan.at_once == Places{2});
    const auto none = plan_services(all, From::management, {});
    CHECK(none.closing.size() == 2);
}

TEST_CASE("a thousand tunnels at as many addresses of one port are planned in no time")
{
    std::vector<PresentService> all;
    std::vector<WantedService> others;
    for (std::uint32_t i = 0; i < 1000; ++i) {
        const std::string host = asio::ip::address_v4(0x0a000001 + i).to_string();
        const std::string other = asio::ip::address_v4(0x0a010001 + i).to_string();
        all.push_back(present(host + ":80", From::management, host, 80));
        others.push_back(wanted(other + ":80", other, 80));
    }
    const auto plan = plan_services(all, From::management, others);
    CHECK(plan.closing.size() == 1000);
    CHECK(plan.at_once.size() == 1000);
}

// ---- Names

TEST_CASE("a service with names stays when only these change, and closes when it gets a port")
{
    const std::vector<PresentService> web = {named("web", From::options, {"a.example"})};
    const auto other =
        plan_services(web, From::options, {wanted("web", {"b.example", "a.example"})});
    CHECK(closing(other) == "");
    CHECK(other.staying == Places{0});

    const auto port = plan_services(web, From::options, {wanted("web", "0.0.0.0", 443)});
    CHECK(closing(port) == "web: its address has changed in the options");
    CHECK(port.at_once == Places{0}); // the one that closes listened nowhere
    const auto back = plan_services({present("web", From::options, "0.0.0.0", 443)}, From::options,
                                    {wanted("web", {"a.example"})});
    CHECK(closing(back) == "web: its address has changed in the options");
    CHECK(back.at_once == Places{0});
    CHECK(closing(plan_services(web, From::options, {})) == "web: it is gone from the options");
}

TEST_CASE("a service with names never waits for an address, and none waits for it")
{
    const std::vector<PresentService> all = {named("a", From::options, {"a.example"}),
                                             named("b", From::options, {"b.example"}),
                                             present("ssh", From::options, "0.0.0.0", 443)};
    const auto plan = plan_services(
        all, From::options, {wanted("c", {"a.example", "b.example"}), wanted("d", {"d.example"})});
    CHECK(plan.closing.size() == 3);
    CHECK(plan.afterwards.empty());
    CHECK(plan.at_once == Places{0, 1});
    const auto listens =
        plan_services({all[0], all[1]}, From::options, {wanted("ssh", "0.0.0.0", 443)});
    CHECK(listens.at_once == Places{0});
}

TEST_CASE("two services of the options may change names with each other")
{
    const std::vector<PresentService> two = {named("a", From::options, {"a.example"}),
                                             named("b", From::options, {"b.example"})};
    const auto plan =
        plan_services(two, From::options, {wanted("a", {"b.example"}), wanted("b", {"a.example"})});
    CHECK(closing(plan) == "");
    CHECK(plan.staying == Places{0, 1});
}

TEST_CASE("what an origin proxy has claimed goes before a service of the options with its name")
{
    std::vector<PresentService> all = {named("roof/a", From::origin, {"x.example", "a.example"}),
                                       named("roof/b", From::origin, {"*.example"})};
    const auto plan = plan_services(all, From::options, {wanted("web", {"a.example"})});
    CHECK(closing(plan) == "roof/a: the options name a service with its name");
    CHECK(plan.at_once == Places{0});
    SUBCASE("also if the service of the options is there already, and gets that name")
    {
        all.push_back(named("web", From::options, {"w.example"}));
        const auto later = plan_services(all, From::options, {wanted("web", {"a.example"})});
        CHECK(closing(later) == "roof/a: the options name a service with its name");
        CHECK(later.staying == Places{0});
    }
}

TEST_CASE("tunnels have their names at their own addresses, where nobody takes them")
{
    PresentService tunnel = named("192.0.2.1:80/a.example", From::management, {"a.example"});
    tunnel.address = {"192.0.2.1", 80};
    tunnel.where = place("192.0.2.1", 80);
    const PresentService claimed = named("roof/a", From::origin, {"a.example"});

    const auto options =
        plan_services({tunnel, claimed}, From::options, {wanted("web", {"a.example"})});
    CHECK(closing(options) == "roof/a: the options name a service with its name");
    CHECK(closing(plan_services({tunnel}, From::options, {wanted("web", "0.0.0.0", 80)})) ==
          "192.0.2.1:80/a.example: the options name a service at its address");

    WantedService other = wanted("192.0.2.1:80/b.example", "192.0.2.1", 80);
    other.names = {ServiceKind::tls, {"b.example"}};
    WantedService same = wanted("192.0.2.1:80/a.example", "192.0.2.1", 80);
    same.names = tunnel.names;
    const auto tunnels = plan_services({tunnel, claimed}, From::management, {other, same});
    CHECK(closing(tunnels) == "");
    CHECK(tunnels.staying == Places{1});
    CHECK(tunnels.at_once == Places{0}); // they share the address
    const auto replaced = plan_services({tunnel, claimed}, From::management, {other});
    CHECK(closing(replaced) == "192.0.2.1:80/a.example: closed by the management interface");
    CHECK(replaced.afterwards == Places{0});
}

TEST_CASE("a service whose visitors are to speak HTTP at the same address is opened anew")
{
    WantedService http = wanted("web", "0.0.0.0", 80);
    http.speaks_http = true;
    const auto plan =
        plan_services({present("web", From::options, "0.0.0.0", 80)}, From::options, {http});
    CHECK(closing(plan) == "web: its address has changed in the options");
    CHECK(plan.afterwards == std::vector<std::size_t>{0});
}

TEST_CASE("a name of HTTP in the options takes none of TLS")
{
    WantedService http = wanted("page", std::vector<std::string>{"a.example"});
    http.names.kind = ServiceKind::http;
    const auto plan =
        plan_services({named("roof/web", From::origin, {"a.example"})}, From::options, {http});
    CHECK(closing(plan) == "");
    const auto moved =
        plan_services({named("page", From::options, {"a.example"})}, From::options, {http});
    CHECK(closing(moved) == "page: its address has changed in the options");
}
