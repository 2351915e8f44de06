// Names of services in the options of the origin proxy.
#include <doctest/doctest.h>

#include <fmt/format.h>

#include "origin-proxy/options/options.hpp"
#include "origin-proxy/options/parse_service.hpp"
#include "tests/support/temporary_file.hpp"
#include "tests/unit/command_line.hpp"
#include "tests/unit/configured.hpp"

using namespace tunnel;
using namespace tunnel::test;

namespace {

Parsed<OriginOptions> origin(const std::vector<const char*>& arguments)
{
    std::vector<const char*> all(arguments);
    all.push_back("--remote-proxy-addr=example.com:9001");
    return parsed<OriginOptions>(all);
}

std::string complaint(const std::vector<const char*>& arguments)
{
    const auto result = origin(arguments);
    CHECK(result.code == 2);
    CHECK(result.out == "");
    return result.err;
}

// With names, without an outside address.
OriginService service(const std::string& name, ServerAddress server, PublicNames names)
{
    OriginService result{name, std::move(server)};
    result.names = std::move(names);
    result.http.shares_streams = is_http_kind(result.names.kind);
    return result;
}

bool contains(const std::string& text, std::string_view part)
{
    return text.find(part) != std::string::npos;
}

} // namespace

// ---- The command line

TEST_CASE("behind the @ of a service stands a name, or what it stood for before")
{
    const auto result = origin(
        {"--service", "app=localhost:8000@https://App",
         "--service=db=localhost:5432@tls://db.example.org,www=:80@https://*.x.example",
         "--service=any=:1@https://", "--service=port=:2@tcp://:9000", "--service=old=:3@9001"});
    CHECK(result.code == std::nullopt);
    CHECK(result.err == "");
    const std::vector<OriginService> expected{
        service("app", {{"localhost", 8000}}, {ServiceKind::https, {"app"}}),
        service("db", {{"localhost", 5432}}, {ServiceKind::tls, {"db.example.org"}}),
        service("www", {{"", 80}}, {ServiceKind::https, {"*.x.example"}}),
        service("any", {{"", 1}}, {ServiceKind::https, {""}}),
        {"port", {"", 2}, Address{"", 9000}},
        {"old", {"", 3}, Address{"", 9001}}};
    CHECK((result.options.services == expected));
    const Environment variable("ORIGIN_PROXY_SERVICE", "app=:1@https://app,db=:2@tls://db");
    CHECK(origin({}).options.services.size() == 2);
}

TEST_CASE("a service at a Unix socket may have a name")
{
    const auto services = parse_service("web=unix:/run/a@b.sock@https://app");
    REQUIRE(services.size() == 1);
    CHECK(services[0].origin_server_address == ServerAddress::unix_socket("/run/a@b.sock"));
    CHECK((services[0].names == PublicNames{ServiceKind::https, {"app"}}));
}

TEST_CASE("what is wrong behind the @ of a service is told")
{
    for (const auto& [text, what] : std::vector<std::pair<const char*, const char*>>{
             {"--service=a=:1@https://app:443", "has a port, and the remote proxy's --https-addr"},
             {"--service=a=:1@https://app/x", "has a path"},
             {"--service=a=:1@https://192.0.2.1", "is no host name"},
             {"--service=a=:1@https://a.*.b", "the star stands for whole labels in front"},
             {"--service=a=:1@udp://:53", "\"udp\" is not yet there"},
             {"--service=a=:1@ftp://a", "\"ftp\" is not tcp"},
             {"--service=a=:1-2@https://a", "has a range of ports for names"},
             {"--service=a=:1@tcp://app", "is not an address"}}) {
        const std::string said = complaint({text});
        CHECK_MESSAGE(contains(said, what), said);
    }
}

TEST_CASE("two services of one origin proxy do not have one name, whichever of them TLS ends for")
{
    CHECK(contains(complaint({"--service=a=:1@https://x", "--service=b=:2@tls://X."}),
                   "the services a and b have the same host x"));
    CHECK(origin({"--service=a=:1@https://", "--service=b=:2@https://"}).code == std::nullopt);
    CHECK(origin({"--service=a=:1@https://x", "--service=b=:2@http://x"}).code == std::nullopt);
    CHECK(origin({"--service=a=:1@tls://*.x", "--service=b=:2@tls://a.x"}).code == std::nullopt);
}

// ---- The file

TEST_CASE("a table of the origin proxy says its names in one text, or as a kind and hosts")
{
    const auto result =
        origin_with("[services.a]\norigin-server-addr = \":1\"\noutside = \"https://app\"\n"
                    "[services.b]\norigin-server-addr = \":2\"\nkind = \"tls\"\n"
                    "hosts = [\"X.\", \"*.y.example\"]\n"
                    "[services.c]\norigin-server-addr = \":3\"\noutside = \"tcp://:7\"\n"
                    "[services.d]\norigin-server-addr = \":4\"\noutside = \"tls://e\"\n"
                    "hosts = [\"f\"]\n");
    CHECK(result.problems == "");
    const std::vector<OriginService> expected{
        service("a", {{"", 1}}, {ServiceKind::https, {"app"}}),
        service("b", {{"", 2}}, {ServiceKind::tls, {"x", "*.y.example"}}),
        {"c", {"", 3}, Address{"", 7}},
        service("d", {{"", 4}}, {ServiceKind::tls, {"e", "f"}})};
    CHECK((result.options.services == expected));
}

TEST_CASE("what is wrong with names in a table of the origin proxy is told with its line")
{
    const auto check = [](std::string_view keys, int line, std::string_view what) {
        CAPTURE(keys);
        const auto result =
            origin_with(fmt::format("[services.a]\norigin-server-addr = \":1\"\n{}\n", keys));
        CHECK_MESSAGE(result.complains_of(line, what), result.problems);
    };
    check("outside = \"https://app:1\"", 4, "outside of services.a: \"app:1\" has a port");
    check("outside = \":1\"\noutside-addr = \":2\"", 5, "are the same: give one");
    check("outside = \":1\"\nhosts = [\"a\"]", 2, "services.a has a port of its own and names");
    check("outside = \"tls://a\"\nkind = \"https\"", 2,
          "services.a is of the kind https and outside says tls: give one");
    check("kind = \"https\"", 2, "services.a is of the kind https and has no hosts");
    check("hosts = [\"a\"]", 2, "services.a has hosts and is of the kind tcp");
    check("kind = \"tls\"\nhosts = [\"192.0.2.1\"]", 5, "hosts of services.a: \"192.0.2.1\" is no");
    check("[services.b]\norigin-server-addr = \":1-2\"\noutside = \"tls://a\"", 4,
          "services.b has a range of ports for names that lead to one server");
    check("outside = \"tls://x\"\n[services.b]\norigin-server-addr = \":1\"\noutside = \"tls://x\"",
          2, "the services a and b have the same host x");
}

// ---- Both

TEST_CASE("names of the origin proxy that were printed say the same when they are read again")
{
    const TemporaryFile config(
        "remote-proxy-addr = \"a:1\"\n"
        "[services.a]\norigin-server-addr = \":1\"\noutside = \"https://\"\n"
        "[services.b]\norigin-server-addr = \":2\"\nkind = \"tls\"\n"
        "hosts = [\"x\", \"*.y.example\"]\n"
        "[services.c]\norigin-server-addr = \":3\"\noutside-addr = \":7\"\n");
    const auto first = parsed<OriginOptions>({"print-config", "-c", config.path().c_str()});
    CHECK(first.code == 0);
    const auto again = configured<OriginOptions>(first.out);
    CHECK(again.problems == "");
    REQUIRE(again.options.services.size() == 3);
    CHECK((again.options.services == first.options.services));
    const TemporaryFile copy(first.out);
    CHECK(parsed<OriginOptions>({"print-config", "-c", copy.path().c_str()}).out == first.out);

    const auto by_flag = origin({"print-config", "--service=a=:1@https://app,b=:2@tls://*.x"});
    const auto by_file = configured<OriginOptions>(by_flag.out);
    CHECK(by_file.problems == "");
    CHECK((by_file.options.services == by_flag.options.services));
}
