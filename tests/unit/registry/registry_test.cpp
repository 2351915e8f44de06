#include <doctest/doctest.h>

#include "tests/unit/registry/registry_house.hpp"

using namespace tunnel;
using namespace std::chrono_literals;

namespace {

bool has(const std::string& text, std::string_view part)
{
    return text.find(part) != std::string::npos;
}

using Names = std::vector<std::string>;
using Links = std::vector<std::uint64_t>;

} // namespace

// ---- What the options say

TEST_CASE("a name that the options give to somebody else is refused")
{
    RegistryHouse house;
    house.has("web", 80, {"roof"});
    const auto cellar = house.comes("cellar");
    house.offers(cellar, "web");
    CHECK(house.reason(cellar) == DeclineReason::not_allowed);
    CHECK(house.told(cellar) == "service \"web\" is not for this origin proxy");
    house.offers(cellar, "web", ":7001"); // one of its own, elsewhere
    CHECK(house.told(cellar) == "opened 0.0.0.0:7001");
    CHECK(house.names() == Names{"cellar/web", "web"});
}

TEST_CASE("a service of the options may be served by several, at the address that it has")
{
    RegistryHouse house;
    house.has("web", 80);
    const auto roof = house.comes("roof");
    const auto cellar = house.comes("cellar");
    house.offers(roof, "web");
    house.offers(cellar, "web", ":80");
    CHECK(house.told(roof) == "opened 0.0.0.0:80");
    CHECK(house.told(cellar) == "opened 0.0.0.0:80");
    CHECK(house.registry.services().find("web")->links == Links{roof, cellar});
    house.offers(cellar, "web", ":81");
    CHECK(has(house.told(cellar), "is at 0.0.0.0:80 here"));
    CHECK(house.registry.services().find("web")->links == Links{roof}); // it was allowed before
}

TEST_CASE("an origin proxy opens services of its own only at ports that it may have")
{
    RegistryHouse house;
    const auto roof = house.comes("roof");
    const auto garden = house.comes("garden");
    house.offers(roof, "web", ":7000");
    CHECK(house.told(roof) == "opened 0.0.0.0:7000");
    house.offers(roof, "ssh", ":22");
    CHECK(has(house.told(roof), "port 22 is not one of those"));
    house.offers(roof, "ssh");
    CHECK(has(house.told(roof), "say at which port to open it, out of 7000-7009"));
    house.offers(garden, "web", ":7001");
    CHECK(has(house.told(garden), "may not open one: see allow-ports"));
    house.offers(roof, "no name", ":7001");
    CHECK(house.reason(roof) == DeclineReason::not_allowed);
    CHECK(house.names() == Names{"roof/web"});
}

TEST_CASE("services of origin proxies reach no further than the remote proxy's own address")
{
    RegistryHouse house;
    const auto roof = house.comes("roof");
    const auto answer_with = [&](const std::string& own_host, const std::string& wanted) {
        OfferRules rules = house.registry.rules();
        rules.own_host = own_host;
        house.registry.change_rules(rules);
        house.offers(roof, "web", wanted);
        return house.told(roof);
    };
    CHECK(answer_with("192.0.2.7", "127.0.0.1:7000") ==
          "services open at 192.0.2.7 here: leave the host out");
    CHECK(answer_with("0.0.0.0", "[::1]:7000") == "services open at IPv4 addresses here");
    CHECK(has(answer_with("", "example.com:7000"), "must be an IP address of the remote proxy"));
    CHECK(answer_with("192.0.2.7", "192.0.2.7:7000") == "opened 0.0.0.0:7000");
}

TEST_CASE("where nobody has to prove anything nobody opens a service")
{
    RegistryHouse house;
    OfferRules rules = house.registry.rules();
    rules.trusts_anyone = true;
    rules.allow_ports = {{"", {{7000, 7009}}}};
    house.registry.change_rules(rules);
    house.has("web", 80);
    const auto one = house.comes("");
    const auto two = house.comes("");
    house.offers(one, "ssh", ":7000");
    CHECK(has(house.told(one), "without a secret nobody may open one"));
    house.offers(one, "web");
    house.offers(two, "web"); // anybody could take part
    CHECK(house.asked == Links{one});
    CHECK(house.told(two) == "");
}

TEST_CASE("an origin proxy that wants another address has it before the former is closed")
{
    RegistryHouse house;
    const auto roof = house.comes("roof");
    house.offers(roof, "web", ":7000");
    house.taken.insert(7001); // by another program
    house.offers(roof, "web", ":7001");
    CHECK(house.reason(roof) == DeclineReason::cannot_listen);
    CHECK(house.closed.empty());
    house.offers(roof, "web", ":7002");
    CHECK(house.told(roof) == "opened 0.0.0.0:7002");
    CHECK(house.closed == Names{"roof/web"});
    CHECK(house.names() == Names{"roof/web"});
    CHECK(house.frames[roof].size() == 3); // nothing of the former one's end
}

TEST_CASE("one origin proxy leaves as many services to others as it opens")
{
    RegistryHouse house;
    OfferRules rules = house.registry.rules();
    rules.most_services = 3;
    house.registry.change_rules(rules);
    const auto roof = house.comes("roof");
    house.offers(roof, "a", ":7000");
    house.offers(roof, "b", ":7001");
    house.offers(roof, "c", ":7002");
    CHECK(house.reason(roof) == DeclineReason::too_many);
    CHECK(has(house.told(roof), "2 services are open, 2 of this origin proxy"));
    house.offers(roof, "b", ":7003"); // one goes for it
    CHECK(house.told(roof) == "opened 0.0.0.0:7003");
}

TEST_CASE("an origin proxy may make so many offers and no more")
{
    RegistryHouse house;
    const auto roof = house.comes("roof");
    for (std::size_t i = 0; i < OfferAnswers::most_offers; ++i)
        house.offers(roof, "s" + std::to_string(i));
    house.offers(roof, "one-more", {}, 17);
    CHECK(std::get<Declined>(house.frames[roof].back()).number == 17);
    CHECK(house.reason(roof) == DeclineReason::too_many);
    house.offers(roof, "s1"); // that one is known
    CHECK(house.reason(roof) == DeclineReason::not_allowed);
}

// ---- Several who want the same

TEST_CASE("the first to come keeps a port while it answers")
{
    RegistryHouse house;
    const auto roof = house.comes("roof");
    const auto cellar = house.comes("cellar");
    house.offers(roof, "web", ":7000");
    house.offers(cellar, "ssh", ":7000");
    CHECK(house.asked == Links{roof});
    CHECK(house.told(cellar) == ""); // until it is known
    house.passes(1s);
    house.answers_probe(roof);
    CHECK(house.reason(cellar) == DeclineReason::in_use);
    CHECK(has(house.told(cellar), "is in use by roof at 192.0.2.1:1: choose another port"));
    house.passes(1s);
    CHECK(house.asked == Links{roof, roof}); // as long as somebody waits
    house.passes(2s);
    CHECK(house.dropped == Links{roof});
    CHECK(house.told(cellar) == "opened 0.0.0.0:7000");
    CHECK(house.names() == Names{"cellar/ssh"});
}

TEST_CASE("an exclusive service goes to the one that waits when its holder leaves")
{
    RegistryHouse house;
    RemoteService options{"default", {"", 80}};
    options.is_exclusive = true;
    const auto service = house.registry.add(options, RegistryHouse::at(80));
    const auto one = house.comes("roof", "web1");
    const auto two = house.comes("roof", "web2");
    house.offers(one, "default");
    house.offers(two, "default");
    house.answers_probe(one);
    CHECK(has(house.told(two), "is in use by roof/web1"));
    house.leaves(one, "bye");
    CHECK(house.told(two) == "opened 0.0.0.0:80");
    CHECK(service->links == Links{two});
}

TEST_CASE("the port of an origin proxy that is gone is kept for a while")
{
    RegistryHouse house;
    const auto roof = house.comes("roof");
    const auto cellar = house.comes("cellar");
    house.offers(roof, "web", ":7000");
    house.leaves(roof);
    house.offers(cellar, "ssh", ":7000");
    CHECK(house.told(cellar) == "");
    SUBCASE("and it comes back")
    {
        const auto again = house.comes("roof");
        house.offers(again, "web", ":7000");
        CHECK(house.told(again) == "opened 0.0.0.0:7000");
        house.passes(3s);
        CHECK(house.names() == Names{"roof/web"});
        house.answers_probe(again);
        CHECK(house.reason(cellar) == DeclineReason::in_use);
    }
    SUBCASE("and it does not")
    {
        CHECK(house.registry.next_deadline() == house.now + 2s);
        house.passes(2s);
        CHECK(house.told(cellar) == "opened 0.0.0.0:7000");
        CHECK(house.closed == Names{"roof/web"});
    }
}

TEST_CASE("a service whose owner does not come back is closed, and one of the options is shut")
{
    RegistryHouse house;
    const auto web = house.has("web", 80);
    const auto roof = house.comes("roof");
    house.offers(roof, "web");
    house.offers(roof, "ssh", ":7000");
    CHECK(web->is_open);
    house.leaves(roof);
    CHECK(web->absence == "the connection of roof was lost");
    house.passes(9s);
    CHECK(web->is_open);
    house.passes(1s);
    CHECK_FALSE(web->is_open);
    CHECK(house.names() == Names{"web"});
    const auto again = house.comes("roof");
    house.offers(again, "web");
    CHECK(web->is_open);
    CHECK(web->absence.empty());
}

TEST_CASE("one that has said goodbye is waited for a short time")
{
    RegistryHouse house;
    const auto web = house.has("web", 80);
    const auto roof = house.comes("roof");
    house.offers(roof, "web");
    house.leaves(roof, "an update");
    CHECK(web->absence == "roof has said goodbye: an update");
    house.passes(3s);
    CHECK_FALSE(web->is_open);
}

// ---- Addresses that cannot be had

TEST_CASE("an offer that could not be opened is tried again with later heartbeats")
{
    RegistryHouse house;
    const auto roof = house.comes("roof");
    house.taken.insert(7000);
    house.offers(roof, "web", ":7000");
    CHECK(house.reason(roof) == DeclineReason::cannot_listen);
    house.taken.erase(7000);
    house.answers.listen_again(roof, house.now);
    house.settle();
    CHECK(house.told(roof) == "opened 0.0.0.0:7000");
}

TEST_CASE("a search for a free port in vain is not repeated before a port may be free")
{
    RegistryHouse house;
    const auto roof = house.comes("roof");
    for (std::uint16_t port = 7000; port < 7010; ++port)
        house.taken.insert(port);
    house.offers(roof, "a", ":0");
    house.offers(roof, "b", ":0");
    CHECK(has(house.told(roof), "no port of those that this origin proxy may open is free"));
    CHECK(house.searches == 1);
    house.passes(1s);
    house.taken.erase(7004);
    house.offers(roof, "b", ":0");
    CHECK(house.told(roof) == "opened 0.0.0.0:7004");
    CHECK(house.searches == 2);
}

TEST_CASE("a service that takes no connections is closed again")
{
    RegistryHouse house;
    const auto roof = house.comes("roof");
    house.cannot_open.insert(7000);
    house.offers(roof, "web", ":7000");
    CHECK(house.reason(roof) == DeclineReason::cannot_listen);
    CHECK(house.names().empty());
    CHECK(house.closed == Names{"roof/web"});
}

TEST_CASE("a remote proxy that stops opens no address, and closes none for another")
{
    RegistryHouse house;
    const auto roof = house.comes("roof");
    house.offers(roof, "web", ":7000");
    house.registry.stop();
    for (const auto* const wanted : {":7001", ":0"}) {
        house.offers(roof, "web", wanted);
        CHECK(house.reason(roof) == DeclineReason::cannot_listen);
        CHECK(house.closed.empty());
    }
    house.offers(roof, "ssh", ":7002");
    CHECK(house.reason(roof) == DeclineReason::cannot_listen);
    CHECK(house.names() == Names{"roof/web"});
}

// ---- What origin proxies are told

TEST_CASE("an origin proxy is told a thing once, unless it asks")
{
    RegistryHouse house;
    house.has("web", 80);
    const auto roof = house.comes("roof");
    house.offers(roof, "web");
    house.answers.reconsider_all();
    house.settle();
    CHECK(house.frames[roof].size() == 1);
    house.offers(roof, "web", {}, 2);
    CHECK(house.frames[roof].size() == 2);
    CHECK(std::get<Opened>(house.frames[roof].back()).number == 2);
    CHECK(house.report[roof] == Report::none);
}

TEST_CASE("an origin proxy that changes its services without end has few lines in the log")
{
    RegistryHouse house;
    const auto roof = house.comes("roof");
    std::size_t lines = 0;
    for (int i = 0; i < 3000; ++i) {
        house.offers(roof, "web", i % 2 == 0 ? ":7000" : ":22");
        lines += house.report[roof] == Report::line ? 1 : 0;
    }
    CHECK(lines <= LineAllowance::most);
    CHECK(house.report[roof] == Report::count);
}

TEST_CASE("all offers are considered again after a change of the rules, one at a time")
{
    RegistryHouse house;
    const auto roof = house.comes("roof");
    const auto cellar = house.comes("cellar");
    house.offers(roof, "a", ":7100");
    house.offers(roof, "b", ":7101");
    house.offers(cellar, "c", ":7102");
    OfferRules rules = house.registry.rules();
    rules.allow_ports = {{"", {{7100, 7109}}}};
    house.registry.change_rules(rules);
    house.answers.reconsider_all();
    CHECK(house.answers.consider_later(house.now));
    CHECK(std::holds_alternative<effect::Listen>(*house.registry.next_effect()));
    CHECK_FALSE(house.registry.next_effect().has_value()); // the next one comes later
    house.answers.listening(RegistryHouse::at(7100), house.now);
    house.answers.go_on(house.now);
    house.settle();
    CHECK(house.names() == Names{"cellar/c", "roof/a", "roof/b"});
    CHECK_FALSE(house.answers.has_later());
}

TEST_CASE("whoever serves a service that closes is told so, and old ones are dismissed")
{
    RegistryHouse house;
    const auto web = house.has("web", 80);
    const auto roof = house.comes("roof");
    const auto old = house.comes("cellar");
    house.registry.find(old)->offers_services = false;
    house.offers(roof, "web");
    house.registry.attach(web, old);
    house.closes(web);
    CHECK(house.reason(roof) == DeclineReason::removed);
    CHECK(house.told(roof) == "gone");
    CHECK(house.dropped == Links{old});
    CHECK(house.names().empty());
}

TEST_CASE("what an origin proxy withdraws is closed, if it has opened it")
{
    RegistryHouse house;
    const auto web = house.has("web", 80);
    const auto roof = house.comes("roof");
    house.offers(roof, "web");
    house.offers(roof, "ssh", ":7000");
    house.withdraws(roof, "web");
    house.withdraws(roof, "ssh");
    CHECK(house.names() == Names{"web"});
    CHECK(web->links.empty());
    CHECK(house.frames[roof].size() == 2); // it knows
}

// ---- Tunnels

TEST_CASE("a tunnel is served by the origin proxy that it is for, and gives no other right")
{
    RegistryHouse house;
    const auto web = house.has("web", 80, {"cellar"});
    const auto roof = house.comes("roof");
    const auto cellar = house.comes("cellar");
    house.offers(roof, "web");
    CHECK(house.reason(roof) == DeclineReason::not_allowed);
    const auto tunnel = house.has_tunnel(9000, "roof", "web");
    CHECK(house.told(roof) == "opened 0.0.0.0:9000");
    CHECK(tunnel->links == Links{roof});
    CHECK(web->links.empty());
    house.offers(cellar, "web");
    CHECK(house.told(cellar) == "opened 0.0.0.0:80");
    house.closes(tunnel);
    CHECK(house.reason(roof) == DeclineReason::not_allowed);
}

TEST_CASE("a tunnel whose address cannot be opened leaves the offer to the rules")
{
    RegistryHouse house;
    house.has("web", 80);
    house.cannot_open.insert(9000);
    const auto roof = house.comes("roof");
    const auto broken = house.has_tunnel(9000, "roof", "web");
    house.offers(roof, "web");
    CHECK(house.told(roof) == "opened 0.0.0.0:80");
    CHECK(broken->links.empty());
}

TEST_CASE("many tunnels to one offer cost no more than a few effects each")
{
    RegistryHouse house;
    constexpr std::uint16_t many = 500;
    for (std::uint16_t i = 0; i < many; ++i)
        house.has_tunnel(static_cast<std::uint16_t>(9000 + i), "roof", "web");
    house.cannot_open = {9000, 9001};
    const auto roof = house.comes("roof");
    house.offers(roof, "web");
    CHECK(house.told(roof) == "opened 0.0.0.0:9002");
    CHECK(house.registry.services().served_by(roof).size() == many - 2);
    CHECK(house.effects <= 3 * many);
}

TEST_CASE("a tunnel that leads elsewhere changes hands without being closed")
{
    RegistryHouse house;
    const auto roof = house.comes("roof");
    const auto cellar = house.comes("cellar");
    const auto tunnel = house.has_tunnel(9000, "roof", "web");
    house.offers(roof, "web");
    house.offers(cellar, "web");
    RemoteService options = tunnel->options;
    options.origins = {"cellar"};
    PublicTunnel other = *tunnel->tunnel;
    other.client = "cellar";
    house.registry.change(tunnel, options, house.now, other);
    house.settle();
    CHECK(tunnel->links == Links{cellar});
    CHECK(house.told(cellar) == "opened 0.0.0.0:9000");
    CHECK(house.reason(roof) == DeclineReason::not_allowed);
    CHECK(house.closed.empty());
}

// ---- Drained, unhealthy

TEST_CASE("a service whose origin proxies are all drained is shut at once")
{
    RegistryHouse house;
    const auto web = house.has("web", 80);
    const auto roof = house.comes("roof");
    house.offers(roof, "web");
    house.registry.set_drained(roof, true, house.now);
    CHECK_FALSE(web->is_served);
    CHECK(web->outage_ends == house.now);
    house.passes(0s);
    CHECK_FALSE(web->is_open);
    CHECK_FALSE(house.registry.must_open(*web, roof));
    house.registry.set_drained(roof, false, house.now);
    CHECK(house.registry.must_open(*web, roof));
}

TEST_CASE("a drained service is served, but not opened")
{
    RegistryHouse house;
    house.registry.saved().drain_service("web");
    const auto web = house.has("web", 80);
    const auto roof = house.comes("roof");
    house.offers(roof, "web");
    CHECK(house.told(roof) == "opened 0.0.0.0:80");
    CHECK_FALSE(web->is_open);
}

TEST_CASE("what is unhealthy is remembered until it is offered, and forgotten when it is withdrawn")
{
    RegistryHouse house;
    const auto roof = house.comes("roof");
    house.registry.set_health(roof, {"web", ServerState::ill, "no answer"}, house.now);
    CHECK_FALSE(house.registry.next_effect().has_value()); // nobody has asked
    house.offers(roof, "web");
    house.registry.set_health(roof, {"web", ServerState::ill, "no answer"}, house.now);
    const auto effect = house.registry.next_effect();
    CHECK(std::get<effect::ReportHealth>(effect.value()).health.text == "no answer");
    CHECK(house.registry.find(roof)->unhealthy.contains("web"));
    house.withdraws(roof, "web");
    CHECK(house.registry.find(roof)->unhealthy.empty());
}
