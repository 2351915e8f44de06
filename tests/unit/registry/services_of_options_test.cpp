// Services with names that the options have, beside those that origin proxies claim.
#include <doctest/doctest.h>

#include "tests/unit/registry/registry_house.hpp"

using namespace tunnel;

namespace {

constexpr auto tls = ServiceKind::tls;
constexpr auto https = ServiceKind::https;

bool contains(const std::string& text, std::string_view part)
{
    return text.find(part) != std::string::npos;
}

using Names = std::vector<std::string>;
using Links = std::vector<std::uint64_t>;

WantedService wanted(const std::string& name, PublicNames names)
{
    WantedService service{name};
    service.names = std::move(names);
    return service;
}

// A reload after which the options have exactly these.
void replace(RegistryHouse& house, const std::vector<WantedService>& services)
{
    const auto plan =
        plan_services(house.registry.services().present(), ServiceSource::options, services);
    for (const ServicePlan::Closing& each : plan.closing) {
        house.registry.close(house.registry.services().find(each.name), each.why, house.now);
        house.settle();
    }
    for (const std::size_t i : plan.staying) {
        const auto service = house.registry.services().find(services[i].name);
        RemoteService options = service->options;
        options.names = services[i].names;
        house.registry.change(service, std::move(options), house.now);
    }
    for (const std::size_t i : plan.at_once)
        house.has(services[i].name, services[i].names, services[i].origins);
    CHECK(plan.afterwards.empty());
    house.answers.reconsider_all();
    house.settle();
}

} // namespace

TEST_CASE("a service of the options with names is served by those who offer it by its name")
{
    RegistryHouse house;
    house.has("web", {https, {"app.d.example", "*.x.example"}});
    const auto roof = house.comes("roof");
    SUBCASE("and say nothing of where")
    {
        house.offers(roof, "web");
    }
    SUBCASE("and say all its names")
    {
        house.claims(roof, "web", https, {"app.d.example", "*.x.example"});
    }
    SUBCASE("and say one of them, without the domain")
    {
        house.claims(roof, "web", https, {"app"});
    }
    SUBCASE("and write it otherwise")
    {
        house.claims(roof, "web", https, {"*.X.example.", "APP"});
    }
    CHECK(house.told(roof) == "opened https://app.d.example,https://*.x.example");
    CHECK(house.names() == Names{"web"});
    CHECK(house.registry.services().find("web")->links == Links{roof});
    CHECK(house.registry.services().find("web")->is_open);
}

TEST_CASE("several may serve a service of the options with names")
{
    RegistryHouse house;
    const auto web = house.has("web", {tls, {"app.d.example"}});
    const auto roof = house.comes("roof");
    const auto cellar = house.comes("cellar");
    house.offers(roof, "web");
    house.claims(cellar, "web", tls, {"app"});
    CHECK(web->links == Links{roof, cellar});
    house.withdraws(roof, "web");
    CHECK(web->links == Links{cellar});
    CHECK(web->is_open);
}

TEST_CASE("a service of the options is not served under other names than it has")
{
    RegistryHouse house;
    const auto web = house.has("web", {https, {"app.d.example"}});
    house.has("port", 80);
    const auto roof = house.comes("roof");
    const auto refused = [&](const std::string& name) {
        CHECK(house.reason(roof) == DeclineReason::not_allowed);
        return contains(house.told(roof), "service \"" + name + "\" is at ") &&
               contains(house.told(roof), "and not where the origin proxy wants it");
    };
    house.claims(roof, "web", https, {"other"});
    CHECK(refused("web"));
    house.claims(roof, "web", https, {"app", "other"});
    CHECK(refused("web"));
    house.claims(roof, "web", https, {""});
    CHECK(refused("web"));
    house.claims(roof, "web", tls, {"app"});
    CHECK(refused("web"));
    house.offers(roof, "web", ":443");
    CHECK(refused("web"));
    house.claims(roof, "port", tls, {"app"});
    CHECK(refused("port"));
    CHECK(house.names() == Names{"port", "web"});
    CHECK(web->links.empty());
}

TEST_CASE("whoever may not serve a service of the options may have one that is called so")
{
    RegistryHouse house;
    house.has("web", {tls, {"app.d.example"}}, {"cellar"});
    const auto roof = house.comes("roof");
    house.claims(roof, "web", tls, {"shop"});
    CHECK(house.told(roof) == "opened tls://shop.d.example");
    CHECK(house.names() == Names{"roof/web", "web"});
    house.claims(roof, "web", tls, {"app"});
    CHECK(house.reason(roof) == DeclineReason::host_taken);
    CHECK(house.told(roof) == "app.d.example is the name of the service \"web\" here");
}

TEST_CASE("a name that the options take is taken from its owner, which is told so")
{
    RegistryHouse house;
    const auto roof = house.comes("roof");
    const auto cellar = house.comes("cellar");
    house.claims(roof, "web", tls, {"app", "more"});
    house.claims(cellar, "site", tls, {"site"});
    replace(house, {wanted("official", {https, {"app.d.example"}})});
    CHECK(house.closed == Names{"roof/web"});
    CHECK(house.names() == Names{"cellar/site", "official"});
    REQUIRE(house.frames[roof].size() == 3);
    const auto& removed = std::get<Declined>(house.frames[roof][1]);
    CHECK(removed.reason == DeclineReason::removed);
    CHECK(removed.text == "the options name a service with its name");
    CHECK(house.reason(roof) == DeclineReason::host_taken);
    CHECK(house.told(roof) == "app.d.example is the name of the service \"official\" here");
    CHECK(house.frames[cellar].size() == 1);

    replace(house, {}); // and gives it back
    CHECK(house.told(roof) == "opened tls://app.d.example,tls://more.d.example");
    CHECK(house.frames[cellar].size() == 1);
}

TEST_CASE("a service of the options whose names change stays open, and is found by the new ones")
{
    RegistryHouse house;
    const auto roof = house.comes("roof");
    replace(house, {wanted("web", {https, {"app.d.example", "old.d.example"}})});
    house.offers(roof, "web");
    house.claims(roof, "site", tls, {"new"});
    replace(house, {wanted("web", {https, {"app.d.example", "new.d.example"}})});
    const auto web = house.registry.services().find("web");
    CHECK(web->is_open);
    CHECK(house.closed == Names{"roof/site"});
    CHECK(house.with_host("new.d.example") == "web");
    CHECK(house.with_host("app.d.example") == "web");
    CHECK(house.with_host("old.d.example") == "");
    CHECK(std::get<Opened>(house.frames[roof].at(0)).outside_address ==
          "https://app.d.example,https://old.d.example");
    const bool knows = std::ranges::any_of(house.frames[roof], [](const Frame& frame) {
        const auto* const opened = std::get_if<Opened>(&frame);
        return opened != nullptr &&
               opened->outside_address == "https://app.d.example,https://new.d.example";
    });
    CHECK(knows);
}

TEST_CASE("who may have one of the names of an options' service only by the domain does not get it")
{
    RegistryHouse house;
    house.has("web", {tls, {"*.d.example"}});
    const auto roof = house.comes("roof");
    house.claims(roof, "site", tls, {"site"});
    CHECK(house.told(roof) == "site.d.example is one of the names of the service \"web\" here");
    CHECK(house.reason(roof) == DeclineReason::host_taken);
    house.reloads([](NameRules& rules) { rules.allow_hosts["roof"] = {"site.d.example"}; });
    CHECK(house.told(roof) == "opened tls://site.d.example");
    house.withdraws(roof, "site");
    CHECK(house.with_host("*.d.example") == "web");
}
