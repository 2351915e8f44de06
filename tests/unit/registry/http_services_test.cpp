// Services whose visitors speak HTTP: their names, and what holds for them.
#include <doctest/doctest.h>

#include <fmt/format.h>

#include "tests/unit/registry/registry_house.hpp"

using namespace tunnel;
using namespace std::chrono_literals;

namespace {

constexpr auto http = ServiceKind::http;
constexpr auto https = ServiceKind::https;

using Names = std::vector<std::string>;
using Lines = std::vector<std::string>;

constexpr std::string_view hash = "$2y$05$abcdefghijklmnopqrstuu5HM8JeNMgLXTrNBnAoeJk4rSpKPQNlu";

std::string line_of(std::string_view name)
{
    return fmt::format("{}:{}", name, hash);
}

const Lines ann{line_of("ann")};
const Lines bob{line_of("bob")};

bool contains(std::string_view text, std::string_view part)
{
    return text.find(part) != std::string_view::npos;
}

struct House : RegistryHouse {
    void offers_http(std::uint64_t link, const std::string& name, const HttpSettings& settings,
                     PublicNames names = {https, {"app"}})
    {
        Offer offer{name, {}, ++number, std::move(names)};
        offer.http = settings;
        answers.offer(link, offer, now);
        settle();
    }

    // At a port of its own.
    void opens_http(std::uint64_t link, const std::string& name, const std::string& where,
                    bool speaks_http = true)
    {
        Offer offer{name, where, ++number};
        offer.speaks_http = speaks_http;
        answers.offer(link, offer, now);
        settle();
    }

    const HttpSettings& of(const std::string& name) { return registry.services().find(name)->http; }

    std::uint64_t roof = comes("roof");
    std::uint64_t cellar = comes("cellar");
    std::uint64_t number = 0;
};

} // namespace

// ---- Names

TEST_CASE("a name of HTTP belongs to another service than the same name of TLS")
{
    House house;
    house.claims(house.roof, "web", http, {"app"});
    CHECK(house.told(house.roof) == "opened http://app.d.example");
    house.claims(house.cellar, "site", https, {"app"});
    CHECK(house.told(house.cellar) == "opened https://app.d.example");
    CHECK(house.with_host("app.d.example") == "cellar/site");
    CHECK(house.with_host("app.d.example", http) == "roof/web");
    house.claims(house.cellar, "other", http, {"app"});
    house.answers_probe(house.roof);
    CHECK(house.reason(house.cellar) == DeclineReason::host_taken);
    house.withdraws(house.roof, "web");
    CHECK(house.told(house.cellar) == "opened http://app.d.example");
    CHECK(house.with_host("app.d.example") == "cellar/site");
}

TEST_CASE("a name of HTTP needs an address for it, and no certificate")
{
    House house;
    house.uncertified.insert("app.d.example");
    house.claims(house.roof, "web", http, {"app"});
    CHECK(house.told(house.roof) == "opened http://app.d.example");
    house.withdraws(house.roof, "web");
    house.reloads([](NameRules& rules) { rules.has_http_front = false; });
    house.claims(house.roof, "web", http, {"app"});
    CHECK(house.reason(house.roof) == DeclineReason::not_allowed);
    CHECK(contains(house.told(house.roof), "start it with --http-addr, or use https://"));
    house.reloads([](NameRules& rules) {
        rules.has_http_front = true;
        rules.has_front = false;
    });
    CHECK(house.told(house.roof) == "opened http://app.d.example");
}

TEST_CASE("the names of a service of the options are kept from others of their kind alone")
{
    House house;
    house.has("all", {http, {"*.d.example"}}, {"nobody"});
    house.claims(house.roof, "web", http, {"app"});
    CHECK(house.reason(house.roof) == DeclineReason::host_taken);
    house.claims(house.roof, "web", https, {"app"});
    CHECK(house.told(house.roof) == "opened https://app.d.example");
}

// ---- Ports

TEST_CASE("a port is opened for visitors who speak HTTP, and again when they are to be others")
{
    House house;
    house.opens_http(house.roof, "web", ":7001");
    CHECK(house.told(house.roof) == "opened 0.0.0.0:7001");
    CHECK(house.registry.services().find("roof/web")->options.is_http());
    house.opens_http(house.roof, "web", ":7001");
    CHECK(house.closed.empty());
    house.opens_http(house.roof, "web", ":7001", false);
    CHECK(house.closed == Names{"roof/web"});
    CHECK_FALSE(house.registry.services().find("roof/web")->options.is_http());
}

TEST_CASE("a service of the options is not taken for one of HTTP because an offer says so")
{
    House house;
    house.has("web", 7001);
    house.opens_http(house.roof, "web", ":7001");
    CHECK(house.reason(house.roof) == DeclineReason::not_allowed);
    CHECK(contains(house.told(house.roof), "leave http:// out, or say http:// here too"));
    house.opens_http(house.roof, "web", ":7001", false);
    CHECK(house.told(house.roof) == "opened 0.0.0.0:7001");
}

// ---- What holds

TEST_CASE("what an origin proxy offers holds for its service, and changes where that is")
{
    House house;
    house.offers_http(house.roof, "web", {"localhost", true, ann}, {https, {""}});
    const std::string opened = house.told(house.roof);
    CHECK(opened == "opened https://random1.d.example");
    CHECK((house.of("roof/web") == HttpSettings{"localhost", true, ann}));
    house.offers_http(house.roof, "web", {"", false, bob}, {https, {""}});
    CHECK(house.told(house.roof) == opened);
    CHECK((house.of("roof/web") == HttpSettings{"", false, bob}));
    CHECK(house.closed.empty());
    house.offers_http(house.roof, "web", {}, {https, {""}});
    CHECK((house.of("roof/web") == HttpSettings()));
}

TEST_CASE("nobody slips in without a login while the origin proxy that wants one is gone")
{
    House house;
    house.offers_http(house.roof, "web", {"", true, ann});
    house.leaves(house.roof);
    CHECK(house.of("roof/web").logins == ann);
    const auto again = house.comes("roof");
    house.offers_http(again, "web", {"", true, {}});
    CHECK(house.of("roof/web").logins.empty());
}

TEST_CASE("what the options say comes before what is offered")
{
    House house;
    const auto service = house.has("web", {https, {"app.d.example"}});
    house.offers_http(house.roof, "web", {"localhost", true, ann});
    CHECK((service->http == HttpSettings{"localhost", true, ann}));
    RemoteService changed = service->options;
    changed.http.logins = bob;
    house.registry.change(service, changed, house.now);
    CHECK((service->http == HttpSettings{"localhost", true, bob}));
    changed.http = {};
    house.registry.change(service, changed, house.now);
    CHECK((service->http == HttpSettings{"localhost", true, ann}));
}

TEST_CASE("an origin proxy that leaves the place to the options says what holds there")
{
    House house;
    const auto by_name = house.has("web", {https, {"app.d.example"}});
    RemoteService options{"port", {"0.0.0.0", 7001}};
    options.speaks_http = true;
    const auto by_port = house.registry.add(std::move(options), House::at(7001));
    house.offers_http(house.roof, "web", {"localhost", true, ann}, {});
    CHECK(house.told(house.roof) == "opened https://app.d.example");
    CHECK((by_name->http == HttpSettings{"localhost", true, ann}));
    house.offers_http(house.roof, "port", {"localhost", true, bob}, {});
    CHECK(house.told(house.roof) == "opened 0.0.0.0:7001");
    CHECK((by_port->http == HttpSettings{"localhost", true, bob}));
}

TEST_CASE("a service is not opened without the login that its origin proxy wants")
{
    House house;
    const auto by_port = house.has("port", 7001);
    const auto by_name = house.has("opaque", {ServiceKind::tls, {"app.d.example"}});
    for (const auto* const name : {"port", "opaque"}) {
        CAPTURE(name);
        house.offers_http(house.roof, name, {"localhost", true, {}}, {});
        CHECK(contains(house.told(house.roof), "opened"));
        CHECK(house.registry.services().find(name)->is_served_by(house.roof));
        house.offers_http(house.roof, name, {"", true, ann}, {});
        CHECK(house.reason(house.roof) == DeclineReason::not_allowed);
        CHECK(contains(house.told(house.roof), "cannot be asked for the login"));
        CHECK_FALSE(house.registry.services().find(name)->is_served_by(house.roof));
    }
    house.offers_http(house.roof, "own", {"", true, ann}, {ServiceKind::tls, {"own"}});
    CHECK(contains(house.told(house.roof), "cannot be asked for the login"));
    Offer at_port{"own", ":7002", ++house.number};
    at_port.http.logins = ann;
    house.answers.offer(house.roof, at_port, house.now);
    house.settle();
    CHECK(contains(house.told(house.roof), "cannot be asked for the login"));
    CHECK(house.names() == Names{"opaque", "port"});
}

TEST_CASE("a login goes on being asked for, or nobody comes, when the options change the kind")
{
    House house;
    const auto service = house.has("web", {https, {"app.d.example"}});
    house.offers_http(house.roof, "web", {"", true, ann}, {});
    CHECK(service->is_served_by(house.roof));
    RemoteService changed = service->options;
    changed.names.kind = ServiceKind::tls;
    house.registry.change(service, changed, house.now);
    house.reloads([](NameRules&) {});
    CHECK_FALSE(service->is_served_by(house.roof));
    CHECK(house.reason(house.roof) == DeclineReason::not_allowed);
}

TEST_CASE("of several that serve a service the first says who may come")
{
    House house;
    const auto service = house.has("web", {https, {"app.d.example"}});
    house.offers_http(house.roof, "web", {"", true, ann});
    house.offers_http(house.cellar, "web", {"localhost", false, bob});
    CHECK((service->http == HttpSettings{"localhost", false, ann}));
    house.leaves(house.roof);
    CHECK((service->http == HttpSettings{"localhost", false, bob}));
    house.offers_http(house.cellar, "web", {});
    CHECK(service->http.logins.empty());
    const auto again = house.comes("roof");
    house.offers_http(again, "web", {"", true, ann});
    CHECK(service->http.logins == ann);
}

TEST_CASE("a tunnel leads to no service that wants its visitors to log in")
{
    House house;
    const auto tunnel = house.has_tunnel(7001, "roof", "web");
    house.offers_http(house.roof, "web", {});
    CHECK(tunnel->is_served_by(house.roof));
    house.offers_http(house.roof, "web", {"", false, ann});
    CHECK_FALSE(tunnel->is_served_by(house.roof));
    CHECK(house.told(house.roof) == "opened https://app.d.example");
    house.offers_http(house.roof, "web", {});
    CHECK(tunnel->is_served_by(house.roof));
}

// ---- What nobody would offer

TEST_CASE("an offer with what is no login or no host is declined, and nothing of it is kept")
{
    House house;
    house.offers_http(house.roof, "web", {"", false, {"ann:secret"}});
    CHECK(house.reason(house.roof) == DeclineReason::not_allowed);
    house.offers_http(house.roof, "web", {"a\r\nb", false, {}});
    CHECK(house.reason(house.roof) == DeclineReason::not_allowed);
    house.offers_http(house.roof, "web", {"", false, Lines(most_logins + 1, ann[0])});
    CHECK(house.reason(house.roof) == DeclineReason::not_allowed);
    CHECK(house.registry.find(house.roof)->offers.empty());
    CHECK(house.registry.find(house.roof)->login_bytes == 0);
}

TEST_CASE("the logins of one origin proxy have a bound together")
{
    House house;
    Lines many;
    for (std::size_t i = 0; i < most_logins; ++i)
        many.push_back(line_of(fmt::format("u{}", i)));
    const std::size_t size = size_of_logins(many);
    std::size_t taken = 0;
    const auto offer = [&](std::size_t i) {
        house.offers_http(house.roof, fmt::format("s{}", i), {"", false, many},
                          {https, {fmt::format("h{}", i)}});
    };
    for (; (taken + 1) * size <= largest_logins_of_all; ++taken)
        offer(taken);
    CHECK(contains(house.told(house.roof), "opened"));
    CHECK(house.registry.find(house.roof)->login_bytes == taken * size);
    offer(taken);
    CHECK(house.reason(house.roof) == DeclineReason::too_many);
    offer(0); // the same again
    CHECK(contains(house.told(house.roof), "opened"));
    house.withdraws(house.roof, "s0");
    offer(taken);
    CHECK(contains(house.told(house.roof), "opened"));
}
