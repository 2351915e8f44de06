// Keys of a configuration file that are there and say nothing.
#include <doctest/doctest.h>

#include <fmt/format.h>

#include "tests/support/temporary_file.hpp"
#include "tests/unit/command_line.hpp"
#include "tests/unit/configured.hpp"

using namespace tunnel;
using namespace tunnel::test;

namespace {

constexpr const char* outside = "outside-addr = \":9000\"\n";

Configured<RemoteOptions> service_with(std::string_view toml)
{
    return remote_with(outside + std::string(toml));
}

} // namespace

TEST_CASE("an empty list is refused wherever a list may stand")
{
    for (const char* key : {"allow", "trusted", "accept-proxy-from", "allow-ports"}) {
        CAPTURE(key);
        CHECK(service_with(fmt::format("{} = []", key))
                  .complains_of(3, fmt::format("{} is an empty list, expected one value", key)));
    }
    for (const char* key : {"origins", "allow", "trusted", "accept-proxy-from"}) {
        CAPTURE(key);
        const auto result =
            service_with(fmt::format("[services.a]\noutside-addr = \":1\"\n{} = []", key));
        CHECK_MESSAGE(result.complains_of(5, fmt::format("{} of services.a is an empty list", key)),
                      result.problems);
    }
    CHECK(service_with("[origins.a]\nsecret-file = []").complains_of(4, "is an empty list"));
    CHECK(service_with("[origins.a]\nsecret-file = \"s\"\nallow-ports = []")
              .complains_of(5, "allow-ports of origins.a is an empty list"));
    CHECK(origin_with("service = []").complains_of(2, "service is an empty list"));
}

TEST_CASE("an empty list of whom to refuse refuses nobody, with a warning")
{
    CHECK(service_with("deny = []").problems == "");
    const auto own =
        service_with("deny = \"::/0\"\n[services.a]\noutside-addr = \":1\"\ndeny = []");
    CHECK(own.problems == "");
    CHECK(own.options.services.at(0).rules.visitors.deny.empty());
    const TemporaryFile file("control-addr = \":1\"\noutside-addr = \":2\"\ndeny = [\n]\n");
    const auto result = parsed<RemoteOptions>({"check", file.path().c_str()});
    CHECK(result.out == "ok\n");
    CHECK(result.err.find("line 3: deny is an empty list") != std::string::npos);
}

TEST_CASE("an empty text is refused where it would say whom to trust or let in")
{
    for (const char* key : {"allow", "deny", "trusted", "accept-proxy-from", "allow-ports",
                            "secret-file", "secrets-file", "tls-cert", "tls-key", "tls-client-ca",
                            "management-token-file", "management-read-token-file",
                            "management-tls-client-ca", "state-file", "log-file", "user"}) {
        for (const char* value : {"\"\"", "[\"\"]"}) {
            const auto result = service_with(fmt::format("{} = {}", key, value));
            CHECK_MESSAGE(result.problems.starts_with(fmt::format("here.toml line 3: {}", key)),
                          result.problems);
        }
    }
    CHECK(service_with("[services.a]\noutside-addr = \":1\"\norigins = [\"\"]")
              .complains_of(5, "origins"));
    CHECK(
        service_with("[services.a]\noutside-addr = \":1\"\nallow = \"\"").complains_of(5, "allow"));
}

TEST_CASE("a table that has none in it is refused, since nobody would have to prove anything")
{
    CHECK(service_with("[origins]")
              .complains_of(3, "origins is empty, expected tables [origins.NAME]"));
    CHECK(service_with("origins = {}").complains_of(3, "origins is empty"));
    CHECK(service_with("[services]").complains_of(3, "services is empty"));
    CHECK(origin_with("[services]").complains_of(2, "services is empty"));
}

TEST_CASE("a service goes without the lists of all services if it says off")
{
    const auto result =
        service_with("allow = \"10.0.0.0/8\"\ndeny = \"10.1.0.0/16\"\n"
                     "accept-proxy-from = \"10.2.0.1\"\n"
                     "[services.a]\noutside-addr = \":1\"\n"
                     "allow = \"off\"\ndeny = \"off\"\naccept-proxy-from = \"off\"\n"
                     "[services.b]\noutside-addr = \":2\"\n");
    REQUIRE_MESSAGE(result.problems == "", result.problems);
    REQUIRE(result.options.services.size() == 2);
    const RemoteService& a = result.options.services[0];
    const RemoteService& b = result.options.services[1];
    CHECK(a.rules.visitors.allow.empty());
    CHECK(a.rules.visitors.deny.empty());
    CHECK(a.rules.accept_proxy_from.empty());
    CHECK(b.rules.visitors.allow.size() == 1);
    CHECK(b.rules.visitors.deny.size() == 1);
    CHECK(b.rules.accept_proxy_from.size() == 1);
    CHECK_FALSE(service_with("allow = \"off\"").problems.empty()); // it is no network
}
