// The flags of the origin proxy's services.
#include <doctest/doctest.h>

#include "origin-proxy/options/options.hpp"
#include "tests/unit/command_line.hpp"

using namespace tunnel;
using namespace tunnel::test;

namespace {

Parsed<OriginOptions> origin(const std::vector<const char*>& arguments)
{
    std::vector<const char*> all{"--remote-proxy-addr=example.com:9001"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return parsed<OriginOptions>(all);
}

std::string complaint(const std::vector<const char*>& arguments)
{
    const auto result = origin(arguments);
    CHECK(result.code == 2);
    CHECK(result.out == "");
    return result.err;
}

bool contains(const std::string& text, std::string_view part)
{
    return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("services are given one by one, or several with commas between them")
{
    const auto result =
        origin({"--service", "web=:8000@80", "--service=mail=a:25,games=b:1-2@3-4"});
    CHECK(result.code == std::nullopt);
    CHECK(result.err == "");
    std::vector<OriginService> expected{{"web", {"", 8000}, Address{"", 80}},
                                        {"mail", {"a", 25}},
                                        {"games[0]", {"b", 1}, Address{"", 3}},
                                        {"games[1]", {"b", 2}, Address{"", 4}}};
    expected[1].http.shares_streams = true; // whether its visitors speak HTTP is said elsewhere
    CHECK((result.options.services == expected));
    const Environment services("ORIGIN_PROXY_SERVICE", "web=:8000@80,mail=a:25");
    CHECK(origin({}).options.services.size() == 2);
    CHECK(origin({"--service=other=c:1"}).options.services.size() == 1);
}

TEST_CASE("either one origin server or services are needed, and not both")
{
    CHECK(contains(complaint({}), "--origin-server-addr or --service is required"));
    CHECK(contains(complaint({"--origin-server-addr=:1", "--service=web=:1"}),
                   "give one of the two"));
    CHECK(origin({"--origin-server-addr=:1"}).options.services.empty());
}

TEST_CASE("the one origin server may be at a Unix socket")
{
    const auto result = origin({"--origin-server-addr=unix:/run/app.sock"});
    CHECK(result.code == std::nullopt);
    CHECK(result.options.origin_server_address == ServerAddress::unix_socket("/run/app.sock"));
    CHECK(contains(complaint({"--origin-server-addr=unix:app.sock"}),
                   "--origin-server-addr (or ORIGIN_PROXY_ORIGIN_SERVER_ADDR): \"unix:app.sock\" "
                   "has no absolute path"));
    CHECK(contains(complaint({"--origin-server-addr=/run/app.sock"}),
                   "or a Unix socket such as unix:/run/app.sock"));
}

TEST_CASE("health checks are of all origin servers that the command line names")
{
    CHECK(origin({"--origin-server-addr=:1"}).options.rules.health_check == HealthCheck());
    const auto result = origin(
        {"--origin-server-addr=:1", "--health-check=http:/healthz", "--health-check-interval=1s"});
    CHECK(result.code == std::nullopt);
    CHECK(result.options.rules.health_check.kind == HealthCheck::Kind::http);
    CHECK(result.options.rules.health_check.path == "/healthz");
    CHECK(result.options.rules.health_check.interval == milliseconds(1000));
    const auto services = origin({"--health-check=tcp", "--service=web=:1"}).options.services;
    REQUIRE(services.size() == 1);
    CHECK(services[0].rules.health_check.kind == HealthCheck::Kind::tcp);
    CHECK(contains(complaint({"--origin-server-addr=:1", "--health-check=ping"}),
                   "\"ping\" is not off, tcp, http or http:/path"));
    CHECK(contains(complaint({"--origin-server-addr=:1", "--health-check-interval=0s"}),
                   "at least 1ms"));
}

TEST_CASE("what is wrong with a service is told")
{
    CHECK(contains(complaint({"--service=web"}),
                   "--service (or ORIGIN_PROXY_SERVICE): \"web\" is not a service such as"));
    CHECK(contains(complaint({"--service=we/b=:1"}), "\"we/b\" is no name of a service"));
    CHECK(contains(complaint({"--service=web=:1", "--service=web=:2"}),
                   "--service: there are two services web"));
    CHECK(contains(complaint({"--service=web=:1,"}), "\"\" is not a service"));
    CHECK(contains(complaint({"--service"}), "--service"));
}

TEST_CASE("the PROXY protocol is off, or one of its versions, towards all origin servers")
{
    CHECK(origin({"--origin-server-addr=:1"}).options.rules.proxy_protocol == ProxyProtocol::off);
    CHECK(origin({"--origin-server-addr=:1", "--proxy-protocol=v1"}).options.rules.proxy_protocol ==
          ProxyProtocol::v1);
    const auto services = origin({"--proxy-protocol=v2", "--service=web=:1"}).options.services;
    REQUIRE(services.size() == 1);
    CHECK(services[0].rules.proxy_protocol == ProxyProtocol::v2);
    CHECK(contains(complaint({"--origin-server-addr=:1", "--proxy-protocol=v3"}),
                   "\"v3\" is not off, v1 or v2"));
}
