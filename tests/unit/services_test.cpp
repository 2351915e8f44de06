// The table of an origin proxy's services.
#include <doctest/doctest.h>

#include "origin-proxy/services.hpp"

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

struct Table {
    asio::io_context io;
    Services services{{io.get_executor(), 1s, Congestion::off()}, {web, mail}};
};

} // namespace

TEST_CASE("a service is found by its name alone")
{
    const Table table;
    REQUIRE(table.services.find("web"));
    CHECK(table.services.find("web")->options == web);
    for (const auto name : {"", "we", "webs", "Web", "web "})
        CHECK_FALSE(table.services.find(name));
}

TEST_CASE("a service that is not changed keeps its origin server, with what is known of it")
{
    Table table;
    const auto before = table.services.find("mail");
    CHECK(table.services.change({web, mail}).empty());
    CHECK((table.services.change({mail}) == std::vector<Frame>{Withdraw{"web"}}));
    CHECK((plain(table.services.change({web, mail})) == std::vector<Frame>{Offer{"web", ":80"}}));
    CHECK(table.services.find("mail") == before);
}

TEST_CASE("another origin server, or another header for it, is no news for the remote proxy")
{
    Table table;
    const auto before = table.services.find("web");
    OriginService changed = web;
    SUBCASE("another server")
    {
        changed.origin_server_address.port = 8001;
    }
    SUBCASE("another header")
    {
        changed.proxy_protocol = ProxyProtocol::v2;
    }
    CHECK(table.services.change({changed, mail}).empty());
    CHECK(table.services.find("web")->options == changed);
    CHECK(before->options == web); // for whoever is on the way there
}

TEST_CASE("a service that is withdrawn and comes again has to be answered again")
{
    Table table;
    CHECK_FALSE(table.services.answered());
    table.services.on_opened({"web", "192.0.2.1:80"});
    table.services.on_declined({"mail", DeclineReason::in_use, ""});
    CHECK(table.services.answered());
    CHECK((table.services.opened() == std::vector<Opened>{{"web", "192.0.2.1:80"}}));
    OriginService moved = web;
    moved.outside_address->port = 81;
    CHECK((plain(table.services.change({moved, mail})) ==
           std::vector<Frame>{Withdraw{"web"}, Offer{"web", ":81"}}));
    CHECK_FALSE(table.services.answered());
    CHECK(table.services.opened().empty());
}

TEST_CASE("a service that is declined after it was open is not")
{
    Table table;
    table.services.on_opened({"web", "192.0.2.1:80"});
    table.services.on_declined({"web", DeclineReason::removed, ""});
    CHECK(table.services.opened().empty());
}

TEST_CASE("every offer has a number of its own, and what is said of an earlier one has no meaning")
{
    Table table;
    const auto number_of = [](const Frame& frame) { return std::get<Offer>(frame).number; };
    const auto first = table.services.offer_all();
    const auto second = table.services.offer_all();
    CHECK(number_of(first[0]) < number_of(first[1]));
    CHECK(number_of(first[1]) < number_of(second[0]));
    table.services.on_opened({"web", "192.0.2.1:80", number_of(first[0])});
    table.services.on_declined({"mail", DeclineReason::in_use, "", number_of(first[1])});
    CHECK_FALSE(table.services.answered());
    CHECK(table.services.opened().empty());
    table.services.on_opened({"web", "192.0.2.1:81", number_of(second[0])});
    table.services.on_declined({"mail", DeclineReason::in_use, "", number_of(second[1])});
    table.services.on_declined({"web", DeclineReason::removed, "", number_of(first[0])});
    CHECK(table.services.answered());
    CHECK((table.services.opened() == std::vector<Opened>{{"web", "192.0.2.1:81"}}));
}
