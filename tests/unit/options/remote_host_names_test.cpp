// Names of services in the options of the remote proxy.
#include <doctest/doctest.h>

#include <fmt/format.h>

#include "remote-proxy/options/options.hpp"
#include "remote-proxy/options/whole_names.hpp"
#include "tests/support/temporary_file.hpp"
#include "tests/unit/command_line.hpp"
#include "tests/unit/configured.hpp"

using namespace tunnel;
using namespace tunnel::test;

namespace {

using Hosts = std::vector<std::string>;

constexpr std::string_view secret = "0123456789abcdef0123456789abcdef";

Parsed<RemoteOptions> remote(const std::vector<const char*>& arguments)
{
    std::vector<const char*> all(arguments);
    all.push_back("--control-addr=:9001");
    return parsed<RemoteOptions>(all);
}

std::string complaint(const std::vector<const char*>& arguments)
{
    const auto result = remote(arguments);
    CHECK(result.code == 2);
    CHECK(result.out == "");
    return result.err;
}

// A file with an address for names and certificates, and `toml` from the fourth line on.
Configured<RemoteOptions> file(std::string_view toml)
{
    return remote_with(fmt::format("https-addr = \":443\"\ncertificates = \"c\"\n{}", toml));
}

// The names of the only service.
PublicNames names_of(const RemoteOptions& options)
{
    REQUIRE(options.services.size() == 1);
    return options.services[0].names;
}

bool contains(const std::string& text, std::string_view part)
{
    return text.find(part) != std::string::npos;
}

} // namespace

// ---- The command line

TEST_CASE("the remote proxy's own services have names by flags")
{
    const auto result = remote({"--https-addr=:443", "--certificates=c", "--domain=Example.COM.",
                                "--service=app=https://app,db=tls://db.example.org",
                                "--service=all=tls://*.x.example", "--service=ssh=:22"});
    CHECK(result.code == std::nullopt);
    CHECK(result.err == "");
    const auto& services = result.options.services;
    REQUIRE(services.size() == 4);
    CHECK((services[0].names == PublicNames{ServiceKind::https, {"app.example.com"}}));
    CHECK((services[1].names == PublicNames{ServiceKind::tls, {"db.example.org"}}));
    CHECK((services[2].names == PublicNames{ServiceKind::tls, {"*.x.example"}}));
    CHECK_FALSE(services[3].names.given());
    CHECK(services[3].outside_address == Address{"", 22});
    CHECK(services[0].outside_address.port == 0);
    CHECK(result.options.fronts.domain == "example.com");
}

TEST_CASE("without a domain a label is a whole name, and with one the stars stay as they are")
{
    CHECK(names_of(remote({"--https-addr=:443", "--service=a=tls://app"}).options).hosts ==
          Hosts{"app"});
    CHECK(
        names_of(remote({"--https-addr=:443", "--domain=d.example", "--service=a=tls://*"}).options)
            .hosts == Hosts{"*"});
    CHECK(whole_host("app", "d.example") == "app.d.example");
    CHECK(whole_host("app.example", "d.example") == "app.example");
    CHECK(whole_host("*.app", "d.example") == "*.app");
    CHECK(whole_host("", "d.example") == "");
}

TEST_CASE("addresses for names are several, and are not those of other services")
{
    const auto result = remote({"--https-addr", "192.0.2.1:443,[::1]:443", "--https-addr=:8443",
                                "--http-addr=:80", "--domain=d.example"});
    CHECK(result.code == std::nullopt);
    CHECK((result.options.fronts.https ==
           std::vector<Address>{{"192.0.2.1", 443}, {"::1", 443}, {"", 8443}}));
    CHECK((result.options.fronts.http == std::vector<Address>{{"", 80}}));
    CHECK(contains(complaint({"--https-addr=:443", "--domain=d.example", "--service=a=:443"}),
                   "https-addr"));
    CHECK(contains(complaint({"--https-addr=:9001", "--domain=d.example"}), "https-addr"));
    CHECK(contains(complaint({"--https-addr=:443", "--http-addr=:443", "--domain=d.example"}),
                   "http-addr"));
    std::string many = "--https-addr=:1";
    for (int port = 2; port <= 17; ++port)
        many += fmt::format(",:{}", port);
    CHECK(contains(complaint({many.c_str(), "--domain=d.example"}), "more than 16"));
}

TEST_CASE("what origin proxies may claim is a reason to start, also without a service")
{
    CHECK(remote({"--https-addr=:443", "--domain=d.example"}).code == std::nullopt);
    CHECK(remote({"--https-addr=:443", "--allow-hosts=*.d.example"}).code == std::nullopt);
    CHECK(contains(complaint({"--https-addr=:443"}), "--https-addr or --http-addr with --domain"));
}

TEST_CASE("a name is of no use without an address, or a certificate where TLS ends here")
{
    CHECK(contains(complaint({"--service=a=tls://app"}),
                   "service a has names, and there is no address for its visitors: give "
                   "--https-addr too"));
    CHECK(
        contains(complaint({"--service=a=tls://app", "--http-addr=:80"}), "give --https-addr too"));
    CHECK(contains(complaint({"--https-addr=:443", "--service=a=https://app"}),
                   "service a is of the kind https, and there are no certificates: give "
                   "--certificates too, or use tls"));
    CHECK(contains(complaint({"--outside-addr=:1", "--domain=d.example"}),
                   "--domain is for services with names"));
    CHECK(contains(complaint({"--outside-addr=:1", "--certificates=c"}),
                   "--certificates are for names whose TLS ends here"));
    CHECK(contains(complaint({"--outside-addr=:1", "--acme-webroot=w"}), "give --http-addr too"));
}

TEST_CASE("names that nobody could find are refused at the start")
{
    CHECK(contains(complaint({"--https-addr=:443", "--service=a=tls://"}),
                   "service a asks for any name, as only origin proxies can: say which"));
    CHECK(contains(complaint({"--https-addr=:443", "--domain=*.d.example"}),
                   "\"*.d.example\" has a star"));
    CHECK(contains(complaint({"--https-addr=:443", "--domain=192.0.2.1"}), "is no host name"));
    CHECK(contains(complaint({"--https-addr=:443", "--service=a=udp://:53"}), "not yet there"));
    CHECK(contains(complaint({"--https-addr=:443", "--service=a=tcp://:1-2"}),
                   "it has several ports"));
    CHECK(remote({"--service=a=tcp://:1"}).options.services.front().outside_address ==
          Address{"", 1});
}

TEST_CASE("two services with one name are refused, also if the domain makes them one")
{
    CHECK(contains(complaint({"--https-addr=:443", "--service=a=tls://x.example",
                              "--service=b=tls://X.example."}),
                   "the services a and b have the same host x.example"));
    CHECK(contains(complaint({"--https-addr=:443", "--domain=example", "--certificates=c",
                              "--service=a=https://x", "--service=b=tls://x.example"}),
                   "the services a and b have the same host x.example"));
    CHECK(
        remote({"--https-addr=:443", "--service=a=tls://x.example", "--service=b=tls://*.example"})
            .code == std::nullopt);
}

// ---- The file

TEST_CASE("a table says its names in one text, or as a kind and hosts")
{
    CHECK((names_of(file("[services.a]\noutside = \"https://app\"\n").options) ==
           PublicNames{ServiceKind::https, {"app"}}));
    CHECK((names_of(file("[services.a]\noutside-addr = \"tls://app\"\n").options) ==
           PublicNames{ServiceKind::tls, {"app"}}));
    const auto several = file("domain = \"d.example\"\n"
                              "[services.a]\nkind = \"https\"\nhosts = [\"APP\", \"*.e.example\"]\n"
                              "origins = [\"roof\"]\n");
    CHECK(several.problems == "");
    CHECK((names_of(several.options) ==
           PublicNames{ServiceKind::https, {"app.d.example", "*.e.example"}}));
    CHECK(several.options.services[0].origins == Hosts{"roof"});
    const auto port = file("[services.a]\noutside = \"tcp://:7-8\"\n");
    REQUIRE(port.options.services.size() == 2);
    CHECK(port.options.services[1].outside_address == Address{"", 8});
}

TEST_CASE("what is wrong with a table's names is told with its line")
{
    const auto check = [](std::string_view keys, int line, std::string_view what) {
        CAPTURE(keys);
        const auto result = file(fmt::format("[services.a]\n{}\n", keys));
        CHECK_MESSAGE(result.complains_of(line, what), result.problems);
    };
    check("outside = \"https://app/x\"", 5, "outside of services.a: \"app/x\" has a path");
    check("outside = \"https://app:1\"", 5, "outside of services.a: \"app:1\" has a port");
    check("outside = \":1\"\noutside-addr = \":2\"", 6, "are the same: give one");
    check("outside = \":1\"\nkind = \"tls\"", 4, "services.a has a port of its own and names");
    check("outside = \"tls://a\"\nkind = \"https\"", 4,
          "services.a is of the kind https and outside says tls: give one");
    check("kind = \"tls\"", 4, "services.a is of the kind tls and has no hosts");
    check("hosts = [\"a\"]", 4, "services.a has hosts and is of the kind tcp");
    check("kind = \"tls\"\nhosts = [\"a\", \"A.\"]", 4, "services.a has the host a twice");
    check("kind = \"tls\"\nhosts = [\"a.*.b\"]", 6, "hosts of services.a: \"a.*.b\"");
    check("kind = \"tls\"\nhosts = [\"\"]", 6, "hosts of services.a: \"\" is no host name");
}

TEST_CASE("two tables with one host are refused")
{
    CHECK(file("[services.a]\noutside = \"tls://x\"\n[services.b]\noutside = \"https://x\"\n")
              .says("the services a and b have the same host x"));
}

TEST_CASE("an origin proxy with rights of its own has not those of all")
{
    const auto result = file(fmt::format(
        "domain = \"d.example\"\nallow-hosts = [\"all\", \"*.All.example\"]\n"
        "[origins.roof]\nsecret = \"{}\"\nallow-hosts = [\"roof\", \"*.roof.example\"]\n"
        "[origins.cellar]\nsecret = \"{}00\"\n",
        secret, secret));
    CHECK(result.problems == "");
    CHECK((result.options.allow_hosts ==
           AllowedHosts{{"", {"all.d.example", "*.all.example"}},
                        {"roof", {"roof.d.example", "*.roof.example"}}}));
}

// ---- Both

TEST_CASE("names that were printed say the same when they are read again")
{
    const TemporaryFile config("control-addr = \":1\"\nhttps-addr = [\":443\", \":8443\"]\n"
                               "domain = \"D.example\"\ncertificates = [\"c\", \"d\"]\n"
                               "allow-hosts = \"*.e.example\"\n"
                               "[services.a]\noutside = \"https://app\"\n"
                               "[services.b]\nkind = \"tls\"\nhosts = [\"x\", \"*.y.example\"]\n"
                               "[services.c]\noutside = \":7\"\n");
    const auto first = parsed<RemoteOptions>({"print-config", "-c", config.path().c_str()});
    CHECK(first.code == 0);
    const auto again = configured<RemoteOptions>(first.out);
    CHECK(again.problems == "");
    CHECK((again.options.services == first.options.services));
    CHECK(again.options.allow_hosts == first.options.allow_hosts);
    CHECK(again.options.fronts.domain == "d.example");
    CHECK(again.options.fronts.https == first.options.fronts.https);
    CHECK(again.options.fronts.certificates == Hosts{"c", "d"});
    const TemporaryFile copy(first.out);
    CHECK(parsed<RemoteOptions>({"print-config", "-c", copy.path().c_str()}).out == first.out);
}

TEST_CASE("services by flags are printed with their names")
{
    const auto printed =
        remote({"print-config", "--https-addr=:443", "--certificates=c", "--domain=d.example",
                "--service=a=https://app,b=tls://*.x.example"});
    CHECK(printed.code == 0);
    const auto again = configured<RemoteOptions>(printed.out);
    CHECK(again.problems == "");
    CHECK((again.options.services == printed.options.services));
}

TEST_CASE("rights to names are without effect where nobody proves anything, and that is said")
{
    const auto doubts = [](const char* right) {
        return remote({"--https-addr=:443", right, "--outside-addr=:1"}).options.common.doubts;
    };
    for (const auto* const right : {"--domain=d.example", "--allow-hosts=a.example"}) {
        REQUIRE(doubts(right).size() == 1);
        CHECK(doubts(right)[0].starts_with("--domain and --allow-hosts have no effect without"));
    }
    CHECK(doubts("--certificates=c").empty());
    CHECK(remote({"--https-addr=:443", "--domain=d.example", "--secret-file=/dev/null"})
              .options.common.doubts.empty());
}
