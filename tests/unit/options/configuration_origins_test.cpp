// [origins.NAME] of the remote proxy's configuration file.
#include <doctest/doctest.h>

#include "remote-proxy/trust/trusted_origins.hpp"
#include "tests/support/temporary_file.hpp"
#include "tests/unit/captured.hpp"
#include "tests/unit/configured.hpp"

using namespace tunnel;
using namespace tunnel::test;

namespace {

constexpr std::string_view one = "0123456789abcdef0123456789abcdef";
constexpr std::string_view other = "fedcba9876543210fedcba9876543210";

// Behind an outside address, so that `toml` begins in the third line.
Configured<RemoteOptions> with(const std::string& toml)
{
    return remote_with("outside-addr = \":9000\"\n" + toml);
}

std::string cellar(std::string_view more = "")
{
    return fmt::format("[origins.cellar]\nsecret = \"{}\"\n{}", one, more);
}

} // namespace

TEST_CASE("origin proxies have secrets in the configuration, and ports that they may open")
{
    const auto [options, problems] =
        with(cellar("allow-ports = [\"20000-20100\", 9000]\n") +
             fmt::format("[origins.\"roof.2\"]\nsecrets = [\"{}\", \"{}00\"]\n"
                         "[origins.attic]\nsecret-file = \"attic\"\nallow-ports = 80\n",
                         other, other));
    CHECK(problems == "");
    REQUIRE(options.trust.origins.size() == 4);
    CHECK(options.trust.origins[0].name == "cellar");
    CHECK(options.trust.origins[0].credential == parse_secret(one, ""));
    CHECK(options.trust.origins[2].name == "roof.2");
    CHECK(options.trust.origins[3].file == "attic");
    CHECK(options.trust.has_secret());
    CHECK(files_to_read_again(options.common).front() == "attic");
    CHECK((options.allow_ports ==
           std::map<std::string, PortRanges>{{"cellar", {{20000, 20100}, {9000, 9000}}},
                                             {"attic", {{80, 80}}}}));
}

TEST_CASE("the remote proxy knows the origin proxies of its configuration")
{
    const TemporaryFile file(other);
    auto options =
        with(cellar() + fmt::format("[origins.roof]\nsecret-file = \"{}\"\n", file.path())).options;
    const TrustedOrigins trusted(options.trust);
    CHECK(trusted.encrypts());
    REQUIRE(trusted.find(parse_secret(one, "").id) != nullptr);
    CHECK(trusted.find(parse_secret(one, "").id)->name == "cellar");
    REQUIRE(trusted.find(parse_secret(other, "").id) != nullptr);
    CHECK(trusted.find(parse_secret(other, "").id)->name == "roof");
    file.write(one);
    try {
        const TrustedOrigins twins(options.trust);
        FAIL("it took one secret for two");
    } catch (const std::runtime_error& error) {
        CHECK(std::string(error.what()) ==
              "here.toml line 5: the secret of origins.roof is that of origins.cellar too, so who "
              "shows it could be either");
    }
}

TEST_CASE("a configuration with secrets that others may read is warned of, one without is not")
{
    const TemporaryFile file("", 0644);
    const auto warning = [&](const std::string& origins) {
        RemoteOptions options;
        CHECK(parse_configuration("control-addr = \":1\"\noutside-addr = \":2\"\n" + origins,
                                  file.path(), options) == "");
        return log_of([&] { const TrustedOrigins read(options.trust); });
    };
    CHECK(warning(cellar()).find("chmod 600") != std::string::npos);
    CHECK(warning("") == "");
    const TemporaryFile secret(one);
    CHECK(warning(fmt::format("[origins.a]\nsecret-file = \"{}\"", secret.path())) == "");
}

TEST_CASE("what is wrong with an origin proxy is told with its line, and never with a secret")
{
    const auto check = [](const std::string& toml, int line, std::string_view words) {
        const auto result = with(cellar() + toml);
        CAPTURE(result.problems);
        CHECK(result.complains_of(line, words));
        for (const std::string_view secret : {one, other, std::string_view("hunter2")})
            CHECK_FALSE(result.says(secret));
    };
    check("port = 7\n", 5,
          "'port' of origins.cellar has no meaning, expected secret, secrets, "
          "secret-file, allow-ports, allow-hosts, max-bandwidth-up, max-bandwidth-down");
    check("secrat = \"hunter2\"\n", 5, "'secrat' of origins.cellar has no meaning, did you mean");
    check("[origins.roof]\n", 5, "origins.roof has no secret");
    check("[origins.roof]\nsecrets = []\n", 5, "origins.roof has no secret");
    check("[origins.roof]\nsecret = \"hunter2\"\n", 6, "too short to resist guessing");
    check("[origins.roof]\nsecret = 12\n", 6, "a secret of origins.roof is not a text in quotes");
    check("[origins.roof]\nsecrets = \"hunter2\"\n", 6, "secrets of origins.roof has no meaning");
    check(fmt::format("[origins.roof]\nsecret = \"{}\"\n", one), 6,
          "the secret of origins.roof is that of origins.cellar too");
    check("[origins.roof]\nsecret = \"***\"\n", 6, "is masked, as print-config does it");
    check("[origins.roof]\nsecret-file = \"\"\n", 6, "\"\" is not the name of a file");
    check(fmt::format("[origins.roof]\nsecret = \"{}\"\nallow-ports = \"many\"\n", other), 7,
          "allow-ports of origins.roof: \"many\" is not a port");
    check("[origins]\nroof = 1\n", 6, "origins.roof is not a table");
    check("[origins.\"a b\"]\n", 5, "a name has 1 to 64 letters");
}

TEST_CASE("a service is for origin proxies that have a table, where there are tables")
{
    const std::string service = "[services.a]\noutside-addr = \":5\"\norigins = [\"celar\"]\n";
    CHECK(with(service + cellar())
              .complains_of(5, "origins of services.a: \"celar\" has no table [origins.NAME], did "
                               "you mean cellar?"));
    CHECK(with(service).problems == "");
    CHECK(with("[services.a]\noutside-addr = \":5\"\norigins = \"cellar\"\n" + cellar()).problems ==
          "");
}

TEST_CASE("secrets are in one place alone")
{
    for (const auto flag : {"secret-file", "secrets-file"})
        CHECK(with(fmt::format("{} = \"s\"\n{}", flag, cellar()))
                  .says("[origins] of the configuration file has all secrets"));
}

TEST_CASE("with certificates a table needs no secret, and must not have one")
{
    const std::string certificates = "tls-cert = \"c\"\ntls-key = \"k\"\ntls-client-ca = \"a\"\n";
    const auto result = with(certificates + "[origins.cellar]\nallow-ports = 80\n");
    CHECK(result.problems == "");
    CHECK(result.options.allow_ports.at("cellar").size() == 1);
    CHECK(with(certificates + cellar()).says("two ways to the same"));
}
