// The table of an origin proxy's services.
#include <doctest/doctest.h>

#include "origin-proxy/servers/services.hpp"

using namespace std::chrono_literals;
using namespace tunnel;

namespace {

const OriginService web{"web", {"127.0.0.1", 8000}, Address{"", 80}};
const OriginService mail{"mail", {"127.0.0.1", 25}};

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
    table.services.change({web, mail});
    table.services.change({mail});
    CHECK_FALSE(table.services.find("web"));
    table.services.change({web, mail});
    CHECK(table.services.find("mail") == before);
    CHECK((table.services.names() == std::vector<std::string>{"web", "mail"}));
}

TEST_CASE("a service that is changed is another one for those who come, and not for the others")
{
    Table table;
    const auto before = table.services.find("web");
    OriginService changed = web;
    changed.origin_server_address.port = 8001;
    table.services.change({changed, mail});
    CHECK(table.services.find("web")->options == changed);
    CHECK(before->options == web); // for whoever is on the way there
}
