// [services.NAME] of both programs' configuration files.
#include <doctest/doctest.h>

#include "tests/support/temporary_file.hpp"
#include "tests/unit/command_line.hpp"
#include "tests/unit/configured.hpp"

using namespace tunnel;
using namespace tunnel::test;

TEST_CASE("a service of the remote proxy has its own address and rules")
{
    const auto [options, problems] = remote_with(R"(
outside-addr = ":9000"
max-connections = 7
trusted = "198.51.100.0/24"
[services.web]
outside-addr = "192.0.2.1:80"
origins = ["cellar", "roof"]
balance = "round-robin"
max-connections = 1
max-connections-per-ip = 2
max-new-per-second-per-ip = "3"
allow = ["10.0.0.0/8"]
deny = "10.0.0.1,10.0.0.2"
trusted = ["203.0.113.0/24"]
accept-proxy-from = "10.0.0.3"
foreign-proxy-header = "reset"
kind = "tcp"
[services.mail]
outside-addr = ":25"
)");
    CHECK(problems == "");
    CHECK(options.rules.visitors.max_connections == 7);
    REQUIRE(options.services.size() == 2);
    const RemoteService& web = options.services[0];
    CHECK(web.name == "web");
    CHECK(web.outside_address == Address{"192.0.2.1", 80});
    CHECK((web.origins == std::vector<std::string>{"cellar", "roof"}));
    CHECK(web.balance == Balance::round_robin);
    CHECK(web.rules.visitors.max_connections == 1);
    CHECK(web.rules.visitors.max_connections_per_ip == 2);
    CHECK(web.rules.visitors.max_new_per_second_per_ip == 3);
    CHECK((web.rules.visitors.allow == std::vector{parse_cidr("10.0.0.0/8")}));
    CHECK(web.rules.visitors.deny.size() == 2);
    auto trusted = loopback_networks();
    trusted.push_back(parse_cidr("198.51.100.0/24"));
    RemoteService mail{"mail", {"", 25}};
    mail.rules.visitors.trusted = trusted;
    mail.rules.visitors.max_connections = 7;
    CHECK((options.services[1] == mail));
    trusted.push_back(parse_cidr("203.0.113.0/24"));
    CHECK((web.rules.visitors.trusted == trusted));
    CHECK((web.rules.accept_proxy_from == std::vector{parse_cidr("10.0.0.3")}));
    CHECK(web.rules.foreign_header == ForeignHeader::reset);
}

TEST_CASE("with services, the remote proxy needs no other outside address")
{
    const auto result = remote_with("[services.a]\noutside-addr = \":1\"\n");
    CHECK(result.problems == "");
    CHECK_FALSE(result.options.outside_address);
}

TEST_CASE("a range of ports is a service for each")
{
    const auto remote = remote_with("[services.a]\noutside-addr = \"h:20000-20002\"\n"
                                    "[services.b]\noutside-addr = \"[::1]:7-7\"\n");
    CHECK(remote.problems == "");
    REQUIRE(remote.options.services.size() == 4);
    CHECK(remote.options.services[2].name == "a[2]");
    CHECK(remote.options.services[2].outside_address == Address{"h", 20002});
    CHECK(remote.options.services[3].name == "b[0]");
    CHECK(remote.options.services[3].outside_address == Address{"::1", 7});
    CHECK(remote_with("[services.a]\noutside-addr = \":1-1000\"\n").options.services.size() ==
          1000);
    const auto origin = origin_with("[services.a]\norigin-server-addr = \"s:10-11\"\n"
                                    "outside-addr = \":20-21\"\n");
    CHECK(origin.problems == "");
    REQUIRE(origin.options.services.size() == 2);
    CHECK(origin.options.services[1].name == "a[1]");
    CHECK(origin.options.services[1].origin_server_address == Address{"s", 11});
    CHECK(origin.options.services[1].outside_address == Address{"", 21});
}

TEST_CASE("a service of the origin proxy has a server, and what else it needs")
{
    const auto [options, problems] = origin_with(R"([services.web]
origin-server-addr = ":80"
proxy-protocol = "v2"
[services.mail]
origin-server-addr = "mail:25"
outside-addr = "192.0.2.1:25"
kind = "tcp"
[services.app]
origin-server-addr = "unix:/run/app.sock"
outside-addr = ":80"
)");
    CHECK(problems == "");
    REQUIRE(options.services.size() == 3);
    CHECK((options.services[0] == OriginService{"web", {"", 80}, {}, {ProxyProtocol::v2}}));
    CHECK((options.services[1] == OriginService{"mail", {"mail", 25}, Address{"192.0.2.1", 25}}));
    CHECK((options.services[2] ==
           OriginService{"app", ServerAddress::unix_socket("/run/app.sock"), Address{"", 80}}));
    CHECK(origin_with("origin-server-addr = \":1\"\n[services.a]\norigin-server-addr = \":2\"\n")
              .says("give one of the two"));
}

TEST_CASE("a service of the origin proxy may have checks, as the flags say or as it says itself")
{
    const auto [options, problems] = origin_with(R"(health-check = "tcp"
health-check-interval = "1s"
[services.web]
origin-server-addr = ":80"
health-check = "http:/healthz"
health-check-timeout = "250ms"
health-check-failures = 5
health-check-successes = "1"
[services.mail]
origin-server-addr = ":25"
[services.ssh]
origin-server-addr = ":22"
health-check = "off"
)");
    CHECK(problems == "");
    REQUIRE(options.services.size() == 3);
    HealthCheck expected{HealthCheck::Kind::http, "/healthz", milliseconds(1000),
                         milliseconds(250),       5,          1};
    CHECK(options.services[0].rules.health_check == expected);
    expected = {HealthCheck::Kind::tcp, "", milliseconds(1000)};
    CHECK(options.services[1].rules.health_check == expected);
    CHECK(options.services[2].rules.health_check.kind == HealthCheck::Kind::off);
}

TEST_CASE("what is wrong with a service of the remote proxy is told with its line")
{
    const auto check = [](const std::string& toml, int line, std::string_view words) {
        const auto result = remote_with("[services.a]\noutside-addr = \":1\"\n" + toml);
        CAPTURE(toml);
        CAPTURE(result.problems);
        CHECK(result.complains_of(line, words));
    };
    check("balance = \"most\"", 4,
          "balance of services.a: \"most\" is not least, round-robin or first");
    check("max-connections = 0", 4, "max-connections of services.a: \"0\" is not a number from 1");
    check("max-connection = 1", 4,
          "'max-connection' of services.a has no meaning, did you mean max-connections?");
    check("port = 1", 4, "'port' of services.a has no meaning, expected outside, outside-addr, ");
    check("origins = [\"\"]", 4, "origins of services.a: \"\" is not the name of an origin proxy");
    check("origins = [[]]", 4, "origins of services.a is a list, expected");
    check("allow = \"all\"", 4, "allow of services.a: \"all\" is not a network");
    check("accept-proxy-from = true", 4, "accept-proxy-from of services.a is true or false");
    check("foreign-proxy-header = \"no\"", 4,
          "foreign-proxy-header of services.a: \"no\" is not data or reset");
    check("kind = \"udp\"", 4, "kind of services.a: \"udp\" is not yet there, expected tcp");
    check("kind = \"sctp\"", 4, "kind of services.a: \"sctp\" is not tcp");
    check("[services.b]", 4, "services.b does not say where visitors come");
    check("[services]\nb = 1", 5, "'b' is a number, expected a table [services.NAME]");
    check("[services.\"a b\"]", 4, "a name has 1 to 64 letters, digits, dots, dashes");
    for (const auto address : {"9000", "h", "h:1-", "h:-2", "h:2-1", "h:0-5", "h:65000-65536"})
        check(fmt::format("[services.b]\noutside-addr = \"{}\"", address), 5,
              fmt::format("outside-addr of services.b: \"{}\" is not ", address));
    check("[services.b]\noutside-addr = \"h:1-1001\"", 5, "is not 1000 ports or fewer");
}

TEST_CASE("what is wrong with a service of the origin proxy is told with its line")
{
    const auto check = [](const std::string& toml, int line, std::string_view words) {
        const auto result = origin_with("[services.a]\norigin-server-addr = \":5\"\n" + toml);
        CAPTURE(toml);
        CAPTURE(result.problems);
        CHECK(result.complains_of(line, words));
    };
    check("proxy-protocol = \"v3\"", 4,
          "proxy-protocol of services.a: \"v3\" is not off, v1 or v2");
    check("kind = \"udp\"", 4, "\"udp\" is not yet there");
    check("balance = \"least\"", 4, "'balance' of services.a has no meaning, expected");
    check("outside-addr = \":5-6\"", 2, "services.a has a range of ports on one side only");
    check("[services.b]\norigin-server-addr = \":1-2\"\noutside-addr = \":5-7\"", 4,
          "services.b has 3 ports outside for 2 of the origin server, expected as many");
    check("[services.b]\norigin-server-addr = \"unix:/b\"\noutside-addr = \":5-7\"", 4,
          "services.b has a range of ports for a Unix socket, which is one server");
    check("[services.b]\norigin-server-addr = \"unix:b\"", 5,
          "origin-server-addr of services.b: \"unix:b\" has no absolute path");
    check("[services.b]\norigin-server-addr = \"unix:/b\\u0000\"", 5, "has a zero byte");
    check("health-check = \"http:x\"", 4,
          "health-check of services.a: \"http:x\" is not off, tcp, http or http:/path");
    check("health-check-interval = \"0s\"", 4, "is not a duration such as 250ms");
    check("health-check-timeout = \"1500us\"", 4, "at least 1ms");
    check("health-check-timeout = \"61s\"", 4, "at most 1m");
    check("health-check-failures = 0", 4, "\"0\" is not a number from 1 to 100");
    check("health-check-successes = 101", 4, "\"101\" is not a number from 1 to 100");
    check("[services.b]\norigin-server-addr = \":0\"", 5, "nobody can connect to port 0");
    check("[services.b]\noutside-addr = \":1\"", 4, "services.b has no origin-server-addr");
    check("[services.b]\norigin-server-addr = \":1-1000\"", 2, "there are 1001 services, expected");
}

TEST_CASE("no two services have the same port of the same host")
{
    const auto overlap = [](std::string_view one, std::string_view other) {
        return remote_with(fmt::format("[services.a]\noutside-addr = \"{}\"\n"
                                       "[services.b]\noutside-addr = \"{}\"\n",
                                       one, other));
    };
    for (const auto& [one, other] : {std::pair("h:1", "h:1"),
                                     {"h:1", ":1"},
                                     {":1", "h:1"},
                                     {"0.0.0.0:1", "[::1]:1"},
                                     {"h:5-9", "h:9-12"},
                                     {"h:9-12", "h:5-9"},
                                     {"[::]:7", "h:5-9"}}) {
        CAPTURE(one);
        CAPTURE(other);
        CHECK(overlap(one, other)
                  .complains_of(5, fmt::format("services.b at {} overlaps services.a at {} "
                                               "(here.toml line 3), expected ports of its own",
                                               other, one)));
    }
    for (const auto& [one, other] : {std::pair("h:1", "i:1"),
                                     {"h:1", "h:2"},
                                     {":0", ":0"},
                                     {"h:5-9", "h:10-12"},
                                     {"h:5-9", "i:5-9"}})
        CHECK(overlap(one, other).problems == "");
    CHECK(overlap(":9001", ":5").complains_of(3, "services.a at :9001 overlaps control-addr"));
    CHECK(remote_with("outside-addr = \":5\"\n[services.a]\noutside-addr = \"h:5\"\n")
              .complains_of(4, "services.a at h:5 overlaps outside-addr at :5"));
    CHECK(origin_with("[services.a]\norigin-server-addr = \":1\"\noutside-addr = \":5\"\n"
                      "[services.b]\norigin-server-addr = \":1\"\noutside-addr = \":5\"\n")
              .complains_of(7, "services.b at :5 overlaps services.a at :5"));
}

TEST_CASE("services of flags are all that there are, whatever tables the file has")
{
    const TemporaryFile remote("control-addr = \":1\"\n[services.a]\noutside-addr = \":2\"\n");
    const auto remote_result =
        parsed<RemoteOptions>({"--config", remote.path().c_str(), "--service=b=:3"});
    CHECK(remote_result.err == "");
    REQUIRE(remote_result.options.services.size() == 1);
    CHECK(remote_result.options.services[0].name == "b");
    const TemporaryFile origin("remote-proxy-addr = \"a:1\"\nproxy-protocol = \"v2\"\n"
                               "[services.a]\norigin-server-addr = \":2\"\n"
                               "[services.b]\norigin-server-addr = \":2\"\n"
                               "proxy-protocol = \"off\"\n");
    const auto of_file =
        parsed<OriginOptions>({"--config", origin.path().c_str()}).options.services;
    REQUIRE(of_file.size() == 2);
    CHECK(of_file[0].rules.proxy_protocol == ProxyProtocol::v2);
    CHECK(of_file[1].rules.proxy_protocol == ProxyProtocol::off);
    const auto of_flag =
        parsed<OriginOptions>({"--config", origin.path().c_str(), "--service=c=:3"});
    CHECK(of_flag.err == "");
    CHECK((of_flag.options.services ==
           std::vector<OriginService>{{"c", {"", 3}, {}, ProxyProtocol::v2}}));
}

TEST_CASE("a file that names services both by the key service and by tables is an error")
{
    CHECK(remote_with("service = [\"b=:3\"]\n[services.a]\noutside-addr = \":2\"\n")
              .complains_of(2, "service is here and [services] in here.toml line 3, expected one "
                               "of the two"));
    constexpr auto both = "service = \"b=:3\"\n[services.a]\norigin-server-addr = \":2\"\n";
    CHECK(origin_with(both).complains_of(2, "service is here and [services] in here.toml line 3"));

    const TemporaryFile file(fmt::format("remote-proxy-addr = \"a:1\"\n{}", both));
    CHECK(parsed<OriginOptions>({"--config", file.path().c_str()}).code == 2);
    const auto flagged = parsed<OriginOptions>({"--config", file.path().c_str(), "--service=c=:3"});
    CHECK(flagged.err == ""); // neither of the two counts
    REQUIRE(flagged.options.services.size() == 1);
    CHECK(flagged.options.services[0].name == "c");
    const Environment service("ORIGIN_PROXY_SERVICE", "d=:3");
    const auto in_environment = parsed<OriginOptions>({"--config", file.path().c_str()});
    CHECK(in_environment.err == "");
    REQUIRE(in_environment.options.services.size() == 1);
    CHECK(in_environment.options.services[0].name == "d");
}

TEST_CASE("the service default is that of the outside address, if there is one")
{
    constexpr auto table = "[services.default]\noutside-addr = \":5\"\n";
    CHECK(remote_with(table).problems == "");
    CHECK(remote_with(fmt::format("outside-addr = \":6\"\n{}", table))
              .complains_of(3, "the service default is that of outside-addr"));
}
