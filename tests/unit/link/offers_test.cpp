// What a remote proxy is told of an origin proxy's services.
#include <doctest/doctest.h>

#include "origin-proxy/link/offers.hpp"

using namespace std::chrono_literals;
using namespace tunnel;

namespace {

const OriginService web{"web", {"127.0.0.1", 8000}, Address{"", 80}};
const OriginService mail{"mail", {"127.0.0.1", 25}};

// Without the numbers of the offers.
std::vector<Frame> plain(std::vector<Frame> frames)
{
    for (Frame& frame : frames) {
        if (auto* const offer = std::get_if<Offer>(&frame))
            offer->number = 0;
    }
    return frames;
}

// Both have been offered.
struct Table {
    Table() { offers.offer_all({}); }

    std::vector<Frame> change(const std::vector<OriginService>& wanted)
    {
        table.change(wanted);
        return plain(offers.catch_up());
    }

    asio::io_context io;
    Services table{{io.get_executor(), 1s, Congestion::off()}, {web, mail}};
    Offers offers{table, "a.example:9001"};
};

} // namespace

TEST_CASE("what has changed is told once, and nothing that has not")
{
    Table table;
    CHECK(table.change({web, mail}).empty());
    CHECK((table.change({mail}) == std::vector<Frame>{Withdraw{"web"}}));
    CHECK(table.offers.catch_up().empty());
    CHECK((table.change({web, mail}) == std::vector<Frame>{Offer{"web", ":80"}}));
}

TEST_CASE("several remote proxies are told for themselves")
{
    Table table;
    Offers other(table.table, "b.example:9001");
    CHECK(
        (plain(other.offer_all({})) == std::vector<Frame>{Offer{"web", ":80"}, Offer{"mail", ""}}));
    table.offers.on_opened({"web", "192.0.2.1:80"});
    table.offers.on_opened({"mail", "192.0.2.1:25"});
    CHECK(table.offers.answered());
    CHECK_FALSE(other.answered());
    CHECK(other.opened().empty());
    CHECK((table.change({mail}) == std::vector<Frame>{Withdraw{"web"}}));
    CHECK((other.catch_up() == std::vector<Frame>{Withdraw{"web"}}));
}

TEST_CASE("another origin server, or another header for it, is no news for the remote proxy")
{
    Table table;
    OriginService changed = web;
    SUBCASE("another server")
    {
        changed.origin_server_address.port = 8001;
    }
    SUBCASE("another header")
    {
        changed.rules.proxy_protocol = ProxyProtocol::v2;
    }
    CHECK(table.change({changed, mail}).empty());
}

TEST_CASE("a service that is withdrawn and comes again has to be answered again")
{
    Table table;
    CHECK_FALSE(table.offers.answered());
    table.offers.on_opened({"web", "192.0.2.1:80"});
    table.offers.on_declined({"mail", DeclineReason::in_use, ""});
    CHECK(table.offers.answered());
    CHECK((table.offers.opened() == std::vector<Opened>{{"web", "192.0.2.1:80"}}));
    OriginService moved = web;
    moved.outside_address->port = 81;
    CHECK(
        (table.change({moved, mail}) == std::vector<Frame>{Withdraw{"web"}, Offer{"web", ":81"}}));
    CHECK_FALSE(table.offers.answered());
    CHECK(table.offers.opened().empty());
}

TEST_CASE("a service that is declined after it was open is not")
{
    Table table;
    table.offers.on_opened({"web", "192.0.2.1:80"});
    table.offers.on_declined({"web", DeclineReason::removed, ""});
    CHECK(table.offers.opened().empty());
}

TEST_CASE("a new control connection is offered all, and has answered none")
{
    Table table;
    table.offers.on_opened({"web", "192.0.2.1:80"});
    table.offers.on_opened({"mail", "192.0.2.1:25"});
    CHECK(table.offers.offer_all({}).size() == 2);
    CHECK_FALSE(table.offers.answered());
    CHECK(table.offers.opened().empty());
}

TEST_CASE("every offer has a number of its own, and what is said of an earlier one has no meaning")
{
    Table table;
    Offers& offers = table.offers;
    const auto number_of = [](const Frame& frame) { return std::get<Offer>(frame).number; };
    const auto first = offers.offer_all({});
    const auto second = offers.offer_all({});
    CHECK(number_of(first[0]) < number_of(first[1]));
    CHECK(number_of(first[1]) < number_of(second[0]));
    offers.on_opened({"web", "192.0.2.1:80", number_of(first[0])});
    offers.on_declined({"mail", DeclineReason::in_use, "", number_of(first[1])});
    CHECK_FALSE(offers.answered());
    CHECK(offers.opened().empty());
    offers.on_opened({"web", "192.0.2.1:81", number_of(second[0])});
    offers.on_declined({"mail", DeclineReason::in_use, "", number_of(second[1])});
    offers.on_declined({"web", DeclineReason::removed, "", number_of(first[0])});
    CHECK(offers.answered());
    CHECK((offers.opened() == std::vector<Opened>{{"web", "192.0.2.1:81"}}));
}

// ---- Names

namespace {

OriginService named(const std::string& name, PublicNames names)
{
    OriginService service{name, {"127.0.0.1", 8443}};
    service.names = std::move(names);
    return service;
}

const OriginService app = named("app", {ServiceKind::https, {"app", "*.x.example"}});

Offer offer_of(const OriginService& service)
{
    return {service.name, "", 0, service.names};
}

} // namespace

TEST_CASE("services with names are offered to a remote proxy that knows names")
{
    Table table;
    CHECK((table.change({web, mail, app}) == std::vector<Frame>{offer_of(app)}));
    CHECK(table.offers.left_out().empty());
    CHECK((plain(table.offers.offer_all({})) ==
           std::vector<Frame>{Offer{"web", ":80"}, Offer{"mail", ""}, offer_of(app)}));
    CHECK_FALSE(table.offers.answered());
}

TEST_CASE("an older remote proxy is offered the others alone, and waits for nothing more")
{
    Table table;
    table.change({web, app, mail});
    CHECK((plain(table.offers.offer_all({.names = false})) ==
           std::vector<Frame>{Offer{"web", ":80"}, Offer{"mail", ""}}));
    CHECK(table.offers.left_out() == std::vector<std::string>{"app"});
    table.offers.on_opened({"web", "192.0.2.1:80"});
    table.offers.on_opened({"mail", "192.0.2.1:25"});
    CHECK(table.offers.answered());
    CHECK(table.offers.opened().size() == 2);
    CHECK(table.offers.catch_up().empty());
    CHECK(table.change({web, app, mail, named("db", {ServiceKind::tls, {"db"}})}).empty());
    CHECK(table.offers.left_out() == std::vector<std::string>{"app", "db"});
    CHECK(table.change({web, mail}).empty()); // what was not offered is not withdrawn
    CHECK(table.offers.left_out().empty());
}

TEST_CASE("another remote proxy at the same address is told what it knows of")
{
    Table table;
    table.change({app});
    CHECK(table.offers.offer_all({.names = false}).empty());
    CHECK(table.offers.answered());
    CHECK((plain(table.offers.offer_all({})) == std::vector<Frame>{offer_of(app)})); // updated
    CHECK_FALSE(table.offers.answered());
    CHECK(table.offers.offer_all({.names = false}).empty()); // and back
    CHECK(table.offers.opened().empty());
}

TEST_CASE("a service with other names, or another kind, is withdrawn and offered anew")
{
    Table table;
    table.change({app});
    OriginService changed = app;
    SUBCASE("another name")
    {
        changed.names.hosts.back() = "www";
    }
    SUBCASE("one more")
    {
        changed.names.hosts.emplace_back("www");
    }
    SUBCASE("another kind")
    {
        changed.names.kind = ServiceKind::tls;
    }
    CHECK((table.change({changed}) == std::vector<Frame>{Withdraw{"app"}, offer_of(changed)}));
    CHECK(table.change({changed}).empty());
}

TEST_CASE("a service goes from a port to a name and back")
{
    Table table;
    const OriginService by_name = named("web", {ServiceKind::tls, {"web"}});
    CHECK(
        (table.change({by_name, mail}) == std::vector<Frame>{Withdraw{"web"}, offer_of(by_name)}));
    CHECK((table.change({web, mail}) == std::vector<Frame>{Withdraw{"web"}, Offer{"web", ":80"}}));
    table.offers.offer_all({.names = false}); // of an older one
    CHECK((table.change({by_name, mail}) == std::vector<Frame>{Withdraw{"web"}}));
    CHECK((table.change({web, mail}) == std::vector<Frame>{Offer{"web", ":80"}}));
}

// ---- HTTP

namespace {

// Its visitors speak HTTP, and this is said of them.
OriginService with_http(OriginService service, HttpSettings settings)
{
    service.http = std::move(settings);
    return service;
}

Offer http_offer_of(const OriginService& service)
{
    Offer offer = offer_of(service);
    offer.http = service.http;
    return offer;
}

} // namespace

TEST_CASE("what is said of HTTP changes in its place, without a withdrawal")
{
    Table table;
    table.change({app});
    const OriginService changed = with_http(app, {"localhost", true, {"ann:$x"}});
    CHECK((table.change({changed}) == std::vector<Frame>{http_offer_of(changed)}));
    CHECK_FALSE(table.offers.answered());
    CHECK(table.change({changed}).empty());
    CHECK((table.change({app}) == std::vector<Frame>{offer_of(app)}));
}

TEST_CASE("a port whose visitors are to speak HTTP from now on is withdrawn and offered anew")
{
    Table table;
    OriginService changed = web;
    changed.speaks_http = true;
    Offer offer{"web", ":80"};
    offer.speaks_http = true;
    CHECK((table.change({changed, mail}) == std::vector<Frame>{Withdraw{"web"}, offer}));
}

TEST_CASE("a remote proxy that reads no HTTP is not offered what it would serve otherwise")
{
    Table table;
    const OriginService harmless = with_http(app, {"", true, {}});
    OriginService port = web;
    port.speaks_http = true;
    const OriginService page = named("page", {ServiceKind::http, {"page"}});
    const OriginService locked =
        with_http(named("locked", {ServiceKind::https, {"locked"}}), {"", true, {"ann:$x"}});
    const OriginService renamed =
        with_http(named("renamed", {ServiceKind::https, {"r"}}), {"localhost", true, {}});
    table.change({harmless, port, page, locked, renamed, mail});
    CHECK((plain(table.offers.offer_all({.names = true, .http = false})) ==
           std::vector<Frame>{http_offer_of(harmless), Offer{"mail", ""}}));
    CHECK(table.offers.left_out() == std::vector<std::string>{"web", "page", "locked", "renamed"});
    CHECK(table.offers.offer_all({}).size() == 6);
    CHECK(table.offers.left_out().empty());
}

TEST_CASE("where a service with names is open is what the remote proxy says")
{
    Table table;
    table.change({app});
    table.offers.on_opened({"app", "https://app.d.example,https://*.x.example"});
    CHECK((table.offers.opened() ==
           std::vector<Opened>{{"app", "https://app.d.example,https://*.x.example"}}));
    table.offers.on_declined({"app", DeclineReason::host_taken, "by another"});
    CHECK(table.offers.opened().empty());
    CHECK(table.offers.answered());
}

TEST_CASE("what the remote proxy declines is known with its reason, until it is opened")
{
    Table table;
    CHECK(table.offers.declined().empty());
    const Declined no{"web", DeclineReason::host_taken, "somebody else has it"};
    table.offers.on_declined(no);
    REQUIRE(table.offers.declined().size() == 1);
    CHECK(table.offers.declined().front() == no);
    table.offers.on_opened({"web", "https://web.example"});
    CHECK(table.offers.declined().empty());
}
