// What the options say of the names that origin proxies claim.
#include <doctest/doctest.h>

#include <fmt/format.h>

#include "tests/unit/registry/registry_house.hpp"

using namespace tunnel;
using namespace std::chrono_literals;
using namespace std::string_literals;

namespace {

constexpr auto tls = ServiceKind::tls;
constexpr auto https = ServiceKind::https;

bool contains(const std::string& text, std::string_view part)
{
    return text.find(part) != std::string::npos;
}

using Names = std::vector<std::string>;

struct House : RegistryHouse {
    // What the roof is told of a service with these names.
    std::string answer(ServiceKind kind, const Names& hosts)
    {
        claims(roof, "web", kind, hosts);
        return told(roof);
    }

    // The same of names that it may not have.
    std::string refusal(ServiceKind kind, const Names& hosts,
                        DeclineReason expected = DeclineReason::host_not_allowed)
    {
        claims(roof, "web", kind, hosts);
        CHECK(reason(roof) == expected);
        CHECK(names().empty());
        return told(roof);
    }

    // Of what it may not have whatever it is called.
    std::string objection(ServiceKind kind, const Names& hosts)
    {
        return refusal(kind, hosts, DeclineReason::not_allowed);
    }

    std::uint64_t roof = comes("roof");
};

} // namespace

// ---- Which names

TEST_CASE("an origin proxy may have one label in front of the domain, and what it is allowed")
{
    House house;
    house.reloads([](NameRules& rules) { rules.allow_hosts = {{"roof", {"*.x.example", "y"}}}; });
    for (const auto* const host :
         {"app", "app.d.example", "a.x.example", "a.b.x.example", "*.x.example", "*.b.x.example"})
        CHECK_MESSAGE(contains(house.answer(tls, {host}), "opened tls://"), house.told(house.roof));
    house.withdraws(house.roof, "web");
    for (const auto* const host : {"app.example", "a.b.d.example", "d.example", "*.d.example",
                                   "x.example", "*", "*.example", "badd.example"}) {
        CAPTURE(host);
        CHECK(house.refusal(tls, {host}) ==
              fmt::format("{} is not one of the names that this origin proxy may have: "
                          "NAME.d.example, *.x.example, y",
                          host));
    }
}

TEST_CASE("those who are not named may have what all may, and those who are only their own")
{
    House house;
    const auto cellar = house.comes("cellar");
    house.reloads([](NameRules& rules) {
        rules.domain.clear();
        rules.allow_hosts = {{"", {"all.example"}}, {"roof", {"roof.example"}}};
    });
    house.claims(cellar, "a", tls, {"all.example"});
    CHECK(house.told(cellar) == "opened tls://all.example");
    house.claims(cellar, "b", tls, {"roof.example"});
    CHECK(house.reason(cellar) == DeclineReason::host_not_allowed);
    CHECK(house.answer(tls, {"roof.example"}) == "opened tls://roof.example");
    house.claims(house.roof, "b", tls, {"all.example"});
    CHECK(house.told(house.roof) ==
          "all.example is not one of the names that this origin proxy may have: roof.example");
}

TEST_CASE("without a domain or a right nobody may choose a name")
{
    House house;
    house.reloads([](NameRules& rules) { rules.domain.clear(); });
    CHECK(house.objection(tls, {"app"}) == "this origin proxy may not choose a name: see --domain "
                                           "and allow-hosts of the remote proxy");
    house.reloads([](NameRules& rules) { rules.allow_hosts = {{"", {"*"}}}; });
    CHECK(house.told(house.roof) == "opened tls://app");
    CHECK(house.answer(tls, {""}) ==
          "there is no --domain here below which it could get a name: say which it wants");
}

TEST_CASE("names are for those who have proved who they are, where there is an address for them")
{
    House house;
    house.reloads([](NameRules& rules) { rules.has_front = false; });
    CHECK(contains(house.objection(tls, {"app"}),
                   "has no address for services with names: start it "
                   "with --https-addr"));
    house.reloads([](NameRules& rules) { rules.has_front = true; });
    CHECK(house.told(house.roof) == "opened tls://app.d.example");
    house.withdraws(house.roof, "web");
    OfferRules rules = house.registry.rules();
    rules.trusts_anyone = true;
    house.registry.change_rules(rules);
    CHECK(contains(house.objection(tls, {"app"}), "without a secret nobody may choose a name"));
}

TEST_CASE("a name whose TLS would end here needs a certificate here")
{
    House house;
    house.uncertified = {"b.d.example"};
    CHECK(house.refusal(https, {"a", "b"}, DeclineReason::no_certificate) ==
          "there is no certificate for b.d.example here");
    CHECK(house.answer(tls, {"a", "b"}) == "opened tls://a.d.example,tls://b.d.example");
    house.claims(house.roof, "web", https, {"a", "b"});
    CHECK(house.reason(house.roof) == DeclineReason::no_certificate);
    CHECK_FALSE(house.registry.services().find("roof/web")->is_served);
    house.uncertified.clear();
    house.reloads([](NameRules&) {});
    CHECK(house.told(house.roof) == "opened https://a.d.example,https://b.d.example");
}

// ---- What comes from the network

TEST_CASE("names from the network are brought into their form")
{
    House house;
    CHECK(house.answer(tls, {"APP"}) == "opened tls://app.d.example");
    CHECK(house.answer(tls, {"Shop.D.EXAMPLE."}) == "opened tls://shop.d.example");
    const auto cellar = house.comes("cellar");
    house.claims(cellar, "site", tls, {"SHOP"});
    house.answers_probe(house.roof);
    CHECK(house.reason(cellar) == DeclineReason::host_taken);
}

TEST_CASE("what is no name is declined, whatever bytes it has")
{
    House house;
    for (const std::string& host :
         {"\0"s, "a\0b"s, "a b"s, "a/b"s, "app:443"s, "192.0.2.1"s, "a..b"s, "-a"s,
          "a.*.d.example"s, "\xff\xfe"s, "b\xc3\xbc"s, "."s, ".d.example"s, std::string(64, 'a'),
          std::string(1024, 'a'), std::string(1024, '*'), std::string(1024, '.')}) {
        CAPTURE(host);
        const std::string words = house.refusal(tls, {host});
        CHECK(words.size() < 300);
        CHECK(words.find('\0') == std::string::npos);
    }
    CHECK(contains(house.refusal(tls, {std::string(1024, 'a')}), "each of 253 characters"));
    CHECK(contains(house.refusal(tls, {std::string(254, 'a')}), "longer than a host name can be"));
}

TEST_CASE("as many names as a service can have, once each and of a kind that is routed")
{
    House house;
    CHECK(contains(house.objection(tls, {}), "its offer is of the kind tls and has no hosts"));
    CHECK(contains(house.objection(tls, {"a", "a"}), "its offer has the host a twice"));
    CHECK(contains(house.refusal(tls, {"a", "A.d.example"}), "has the host a.d.example twice"));
    CHECK(contains(house.objection(tls, {"", ""}), "twice"));
    CHECK(contains(house.objection(static_cast<ServiceKind>(77), {"a"}), "unknown by name"));
    Names many;
    for (std::size_t i = 0; i <= most_hosts; ++i)
        many.push_back(fmt::format("a{}", i));
    CHECK(contains(house.refusal(tls, many), "a service may have 16 names"));
    many.pop_back();
    CHECK(contains(house.answer(tls, many), "tls://a15.d.example"));
}

TEST_CASE("a service whose name is none is declined before its hosts are looked at")
{
    House house;
    house.claims(house.roof, "no name", tls, {"app"});
    CHECK(house.reason(house.roof) == DeclineReason::not_allowed);
    CHECK(house.names().empty());
}

// ---- Labels that are made up

TEST_CASE("a name that is made up stays the same for a service as long as that is kept")
{
    House house;
    CHECK(house.answer(https, {""}) == "opened https://random1.d.example");
    CHECK(house.answer(https, {""}) == "opened https://random1.d.example");
    house.reloads([](NameRules&) {});
    CHECK(house.frames[house.roof].size() == 2); // nothing has changed
    house.leaves(house.roof);
    house.passes(9s);
    house.roof = house.comes("roof");
    CHECK(house.answer(https, {""}) == "opened https://random1.d.example");
    CHECK(house.closed.empty());
}

TEST_CASE("each service has a made-up name of its own, and another when it comes anew")
{
    House house;
    CHECK(house.answer(https, {""}) == "opened https://random1.d.example");
    house.claims(house.roof, "site", https, {""});
    CHECK(house.told(house.roof) == "opened https://random2.d.example");
    const auto cellar = house.comes("cellar");
    house.claims(cellar, "web", https, {""});
    CHECK(house.told(cellar) == "opened https://random3.d.example");
    house.withdraws(house.roof, "web");
    CHECK(house.answer(https, {""}) == "opened https://random4.d.example");
    house.leaves(house.roof);
    house.passes(10s);
    house.roof = house.comes("roof");
    CHECK(house.answer(https, {""}) == "opened https://random5.d.example");
}

TEST_CASE("a made-up name may stand beside one that was chosen")
{
    House house;
    CHECK(house.answer(tls, {"app", ""}) == "opened tls://app.d.example,tls://random1.d.example");
    CHECK(house.answer(tls, {"app", ""}) == "opened tls://app.d.example,tls://random1.d.example");
}

TEST_CASE("a made-up name is another one below another domain")
{
    House house;
    CHECK(house.answer(https, {""}) == "opened https://random1.d.example");
    house.reloads([](NameRules& rules) { rules.domain = "e.example"; });
    CHECK(house.told(house.roof) == "opened https://random2.e.example");
}

// ---- Reloads

TEST_CASE("a reload takes a right away, and gives it back")
{
    House house;
    CHECK(house.answer(tls, {"app"}) == "opened tls://app.d.example");
    house.reloads([](NameRules& rules) { rules.domain = "e.example"; });
    CHECK(house.told(house.roof) == "opened tls://app.e.example");
    CHECK(house.closed == Names{"roof/web"});
    house.claims(house.roof, "web", tls, {"app.e.example"});
    house.reloads([](NameRules& rules) { rules.domain = "d.example"; });
    CHECK(house.reason(house.roof) == DeclineReason::host_not_allowed);
    CHECK_FALSE(house.registry.services().find("roof/web")->is_served);
    house.reloads([](NameRules& rules) { rules.allow_hosts = {{"roof", {"app.e.example"}}}; });
    CHECK(house.told(house.roof) == "opened tls://app.e.example");
    house.reloads([](NameRules& rules) { rules.allow_hosts.clear(); });
    CHECK(house.reason(house.roof) == DeclineReason::host_not_allowed);
    house.passes(10s);
    CHECK(house.names().empty());
    CHECK(house.with_host("app.e.example") == "");
}

TEST_CASE("there is a bound for services with names, which those that are there do not meet")
{
    constexpr std::size_t most = 65'536;
    House house;
    house.claims(house.roof, "web", tls, {"app"});
    while (house.registry.services().size() < most) {
        const std::string name = std::to_string(house.registry.services().size());
        house.has(name, {tls, {name + ".x.example"}});
    }
    house.claims(house.roof, "site", tls, {"site"});
    CHECK(house.reason(house.roof) == DeclineReason::too_many);
    CHECK(contains(house.told(house.roof), "must be left for others"));
    CHECK(house.answer(tls, {"app"}) == "opened tls://app.d.example"); // asks again
    CHECK(house.answer(tls, {"shop"}) == "opened tls://shop.d.example");
    CHECK(house.registry.services().size() == most);
    house.withdraws(house.roof, "web");
    house.answers.listen_again(house.roof, house.now);
    house.settle();
    CHECK(house.told(house.roof) == "opened tls://site.d.example");
}
