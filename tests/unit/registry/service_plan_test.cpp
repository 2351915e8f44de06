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
