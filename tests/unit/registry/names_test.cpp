// Names of services that origin proxies claim, and who has them.
#include <doctest/doctest.h>

#include "tests/unit/registry/registry_house.hpp"

using namespace tunnel;
using namespace std::chrono_literals;

namespace {

bool contains(std::string_view text, std::string_view part)
{
    return text.find(part) != std::string_view::npos;
}

constexpr auto tls = ServiceKind::tls;
constexpr auto https = ServiceKind::https;

using Names = std::vector<std::string>;
using Links = std::vector<std::uint64_t>;

// The roof has app.d.example, and the cellar wants it.
struct Two : RegistryHouse {
    Two() { claims(roof, "web", https, {"app"}); }

    void cellar_wants_it() { claims(cellar, "site", tls, {"app.d.example"}); }

    bool is_of_cellar()
    {
        return told(cellar) == "opened tls://app.d.example" &&
               with_host("app.d.example") == "cellar/site";
    }

    std::uint64_t roof = comes("roof");
    std::uint64_t cellar = comes("cellar");
};

} // namespace

// ---- Whose a name is

TEST_CASE("a name belongs to the first who claims it, and takes no address")
{
    Two house;
    CHECK(house.told(house.roof) == "opened https://app.d.example");
    CHECK(house.with_host("app.d.example") == "roof/web");
    const auto service = house.registry.services().find("roof/web");
    CHECK(service->is_open);
    CHECK(service->links == Links{house.roof});
    CHECK(service->where == RegistryHouse::at(443));
    CHECK_FALSE(service->has_address());
    CHECK(house.registry.services().with_address() == 0);
    CHECK(house.taken.empty());
}

TEST_CASE("who comes second is answered when it is known whether the first is still there")
{
    Two house;
    house.cellar_wants_it();
    CHECK(house.asked == Links{house.roof});
    CHECK(house.told(house.cellar) == "");
    house.answers_probe(house.roof);
    CHECK(house.reason(house.cellar) == DeclineReason::host_taken);
    CHECK(house.told(house.cellar) == "service \"web\" (https://app.d.example) is in use by roof "
                                      "at 192.0.2.1:1: choose another name");
    CHECK(house.names() == Names{"roof/web"});
    house.passes(1s);
    CHECK(house.asked == Links{house.roof, house.roof}); // as long as somebody waits
}

TEST_CASE("who waits for a name has it as soon as it is withdrawn")
{
    Two house;
    house.cellar_wants_it();
    SUBCASE("before the holder has answered") {}
    SUBCASE("after it has")
    {
        house.answers_probe(house.roof);
        CHECK(house.reason(house.cellar) == DeclineReason::host_taken);
    }
    house.withdraws(house.roof, "web");
    CHECK(house.is_of_cellar());
    CHECK(house.closed == Names{"roof/web"});
    CHECK(house.frames[house.roof].size() == 1); // it knows
}

TEST_CASE("the name of an origin proxy that is lost is kept for it")
{
    for (const bool waits : {true, false}) { // before that, or comes then
        Two house;
        if (waits)
            house.cellar_wants_it();
        house.leaves(house.roof);
        if (!waits)
            house.cellar_wants_it();
        house.passes(9s);
        CHECK(contains(house.told(house.cellar), "is kept for roof"));
        const auto again = house.comes("roof");
        house.claims(again, "web", https, {"app"});
        CHECK(house.told(again) == "opened https://app.d.example");
        CHECK(house.closed.empty());
        house.passes(1s);
        house.answers_probe(again);
        CHECK(house.reason(house.cellar) == DeclineReason::host_taken);
    }
}

TEST_CASE("the name of an origin proxy that does not come back goes to another")
{
    for (const bool waits : {true, false}) { // as above
        Two house;
        if (waits)
            house.cellar_wants_it();
        house.leaves(house.roof);
        if (!waits)
            house.cellar_wants_it();
        house.passes(9s);
        CHECK(contains(house.told(house.cellar), "is kept for roof"));
        house.passes(1s);
        CHECK(house.is_of_cellar());
        CHECK(house.closed == Names{"roof/web"});
        const auto again = house.comes("roof");
        house.claims(again, "web", https, {"app"});
        house.answers_probe(house.cellar);
        CHECK(house.reason(again) == DeclineReason::host_taken);
    }
}

TEST_CASE("an origin proxy that says goodbye keeps its name for as long as one that is lost")
{
    Two house;
    house.cellar_wants_it();
    house.leaves(house.roof, "an update");
    house.passes(3s); // visitors are refused from here on
    CHECK(contains(house.told(house.cellar), "is kept for roof"));
    house.passes(6s);
    CHECK(contains(house.told(house.cellar), "is kept for roof"));
    house.passes(1s);
    CHECK(house.is_of_cellar());
}

TEST_CASE("a holder that does not answer is dropped, and its name is kept for a while")
{
    Two house;
    house.cellar_wants_it();
    house.passes(2s);
    CHECK(house.dropped == Links{house.roof});
    CHECK(contains(house.told(house.cellar), "is kept for roof"));
    house.passes(7s);
    CHECK(contains(house.told(house.cellar), "is kept for roof"));
    house.passes(1s); // ten seconds since it was asked
    CHECK(house.is_of_cellar());
}

TEST_CASE("a name is kept for the machine that had it, not for others with its credential")
{
    RegistryHouse house;
    const auto first = house.comes("roof", "web1");
    house.claims(first, "web", tls, {"app"});
    house.leaves(first);
    const auto other = house.comes("roof", "web2");
    house.claims(other, "web", tls, {"app"});
    CHECK(contains(house.told(other), "is kept for roof/web1"));
    const auto again = house.comes("roof", "web1");
    house.claims(again, "web", tls, {"app"});
    CHECK(house.told(again) == "opened tls://app.d.example");
}

TEST_CASE("a name that was declined is tried again with later heartbeats")
{
    Two house;
    house.has("own", {tls, {"own.d.example"}});
    house.claims(house.cellar, "site", tls, {"own"});
    CHECK(house.reason(house.cellar) == DeclineReason::host_taken);
    house.closes(house.registry.services().find("own"));
    house.answers.listen_again(house.cellar, house.now);
    house.settle();
    CHECK(house.told(house.cellar) == "opened tls://own.d.example");
}

TEST_CASE("one origin proxy has a name for one of its services")
{
    Two house;
    house.claims(house.roof, "site", tls, {"app"});
    CHECK(house.reason(house.roof) == DeclineReason::host_taken);
    CHECK(house.told(house.roof) == "app.d.example is the name of its service \"web\"");
    CHECK(house.asked.empty());
    CHECK(house.with_host("app.d.example") == "roof/web");
}

TEST_CASE("a name for all below another, and one of those, may have different owners")
{
    Two house;
    house.reloads([](NameRules& rules) { rules.allow_hosts = {{"cellar", {"*.d.example"}}}; });
    house.claims(house.cellar, "all", tls, {"*.d.example"});
    CHECK(house.told(house.cellar) == "opened tls://*.d.example");
    CHECK(house.told(house.roof) == "opened https://app.d.example");
    CHECK(house.asked.empty());
    house.claims(house.roof, "more", tls, {"more"});
    CHECK(house.told(house.roof) == "opened tls://more.d.example");
}

TEST_CASE("a drained owner keeps its name, and so does a drained service")
{
    Two house;
    SUBCASE("the origin proxy")
    {
        house.registry.set_drained(house.roof, true, house.now);
        house.passes(0s);
        CHECK_FALSE(house.registry.services().find("roof/web")->is_open);
    }
    SUBCASE("the service")
    {
        const auto service = house.registry.services().find("roof/web");
        house.registry.shut(*service);
        house.registry.drain(*service);
    }
    house.cellar_wants_it();
    house.answers_probe(house.roof);
    CHECK(house.reason(house.cellar) == DeclineReason::host_taken);
    CHECK(house.with_host("app.d.example") == "roof/web");
    CHECK(house.closed.empty());
}

TEST_CASE("a name of a drained service is routed when it comes, and takes no visitors")
{
    RegistryHouse house;
    house.registry.saved().drain_service("roof/web");
    const auto roof = house.comes("roof");
    house.claims(roof, "web", tls, {"app"});
    CHECK(house.told(roof) == "opened tls://app.d.example");
    CHECK_FALSE(house.registry.services().find("roof/web")->is_open);
}

// ---- Several names, and others than before

TEST_CASE("a service has all of its names or none")
{
    Two house;
    house.claims(house.cellar, "site", tls, {"a", "app", "b"});
    house.answers_probe(house.roof);
    CHECK(house.reason(house.cellar) == DeclineReason::host_taken);
    CHECK(house.with_host("a.d.example") == "");
    CHECK(house.with_host("b.d.example") == "");
    house.withdraws(house.roof, "web");
    CHECK(house.told(house.cellar) ==
          "opened tls://a.d.example,tls://app.d.example,tls://b.d.example");
    for (const auto* const host : {"a.d.example", "app.d.example", "b.d.example"})
        CHECK(house.with_host(host) == "cellar/site");
}

TEST_CASE("a service takes the names of several that are gone")
{
    RegistryHouse house;
    const auto roof = house.comes("roof");
    house.claims(roof, "a", tls, {"a"});
    house.claims(roof, "b", tls, {"b", "c"});
    house.leaves(roof);
    const auto again = house.comes("roof");
    house.claims(again, "all", tls, {"c", "b", "a"});
    CHECK(house.told(again) == "opened tls://c.d.example,tls://b.d.example,tls://a.d.example");
    CHECK(house.names() == Names{"roof/all"});
    CHECK(house.closed == Names{"roof/b", "roof/a"});
}

TEST_CASE("an origin proxy that wants other names has these, and the former are free")
{
    Two house;
    house.cellar_wants_it();
    house.claims(house.roof, "web", https, {"www", "shop"});
    CHECK(house.told(house.roof) == "opened https://www.d.example,https://shop.d.example");
    CHECK(house.frames[house.roof].size() == 2); // nothing of the former one's end
    CHECK(house.with_host("www.d.example") == "roof/web");
    CHECK(house.is_of_cellar());
    house.claims(house.roof, "web", tls, {"www", "shop"}); // of another kind
    CHECK(house.told(house.roof) == "opened tls://www.d.example,tls://shop.d.example");
}

TEST_CASE("an origin proxy that wants one more name keeps what it has while it waits")
{
    Two house;
    house.claims(house.cellar, "site", tls, {"a"});
    house.claims(house.cellar, "site", tls, {"a", "app"});
    CHECK(house.told(house.cellar) == "opened tls://a.d.example");
    CHECK(house.registry.services().find("cellar/site")->is_served_by(house.cellar));
    house.withdraws(house.roof, "web");
    CHECK(house.told(house.cellar) == "opened tls://a.d.example,tls://app.d.example");
}

TEST_CASE("a service goes from a port to a name and back")
{
    RegistryHouse house;
    const auto roof = house.comes("roof");
    house.offers(roof, "web", ":7000");
    house.claims(roof, "web", tls, {"app"});
    CHECK(house.told(roof) == "opened tls://app.d.example");
    CHECK(house.taken.empty());
    CHECK(house.registry.services().with_address() == 0);
    house.offers(roof, "web", ":7001");
    CHECK(house.told(roof) == "opened 0.0.0.0:7001");
    CHECK(house.with_host("app.d.example") == "");
    CHECK(house.registry.services().with_address() == 1);
    CHECK(house.names() == Names{"roof/web"});
    CHECK(house.frames[roof].size() == 3);
}

TEST_CASE("a service with names is not the one at any port, even where that of names is allowed")
{
    RegistryHouse house;
    OfferRules rules = house.registry.rules();
    rules.allow_ports = {{"roof", {{443, 444}}}};
    house.registry.change_rules(rules);
    house.taken.insert(443); // by the front
    const auto roof = house.comes("roof");
    house.claims(roof, "web", tls, {"app"});
    house.leaves(roof);
    const auto again = house.comes("roof");
    house.offers(again, "web", ":0");
    CHECK(house.told(again) == "opened 0.0.0.0:444");
    CHECK(house.with_host("app.d.example") == "");
}

TEST_CASE("services with names take none of the room for those with ports")
{
    RegistryHouse house;
    OfferRules rules = house.registry.rules();
    rules.most_services = 3;
    house.registry.change_rules(rules);
    const auto roof = house.comes("roof");
    for (const auto* const label : {"a", "b", "c", "d", "e"})
        house.claims(roof, label, tls, {label});
    house.offers(roof, "port", ":7000");
    CHECK(house.told(roof) == "opened 0.0.0.0:7000");
    house.offers(roof, "a", ":7001"); // from a name to a port
    CHECK(house.told(roof) == "opened 0.0.0.0:7001");
    house.offers(roof, "b", ":7002");
    CHECK(house.reason(roof) == DeclineReason::too_many);
}
