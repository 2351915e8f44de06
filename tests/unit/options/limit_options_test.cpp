// Limits as flags and keys: those of the program, of a service and of an origin proxy.
#include <doctest/doctest.h>

#include "tests/unit/command_line.hpp"
#include "tests/unit/configured.hpp"

using namespace tunnel;
using namespace tunnel::test;

namespace {

constexpr ServiceRates all_four{{1024, 2048}, {4096, 8192}};

} // namespace

TEST_CASE("limits of bandwidth are flags of both programs")
{
    const std::vector<const char*> flags{"--max-bandwidth-up=1KiB/s",
                                         "--max-bandwidth-down=2KiB/s",
                                         "--max-bandwidth-up-per-visitor=4KiB/s",
                                         "--max-bandwidth-down-per-visitor=8KiB/s",
                                         "--max-bandwidth-up-per-origin=100Mbit/s",
                                         "--max-bandwidth-down-per-origin=off"};
    const Rates per_origin{12'500'000, std::nullopt};
    std::vector<const char*> remote{"--control-addr=:1", "--service=web=:80", "--outside-addr=:2"};
    remote.insert(remote.end(), flags.begin(), flags.end());
    const auto at_remote = parsed<RemoteOptions>(remote);
    CHECK(at_remote.err == "");
    CHECK((at_remote.options.rules.bandwidth == all_four));
    CHECK((at_remote.options.services.at(0).rules.bandwidth == all_four));
    CHECK((at_remote.options.bandwidth_per_origin.at("") == per_origin));
    std::vector<const char*> origin{"--remote-proxy-addr=a:1", "--service=web=:80"};
    origin.insert(origin.end(), flags.begin(), flags.end());
    const auto at_origin = parsed<OriginOptions>(origin);
    CHECK(at_origin.err == "");
    CHECK((at_origin.options.services.at(0).rules.bandwidth == all_four));
    CHECK((at_origin.options.bandwidth_per_origin == per_origin));
}

TEST_CASE("a wrong rate is refused with what would be one")
{
    const auto result = parsed<RemoteOptions>(
        {"--control-addr=:1", "--outside-addr=:2", "--max-bandwidth-up=10mb"});
    CHECK(result.code == 2);
    CHECK_MESSAGE(result.err.find("--max-bandwidth-up (or REMOTE_PROXY_MAX_BANDWIDTH_UP): \"10mb\" "
                                  "is not off or a rate") != std::string::npos,
                  result.err);
}

TEST_CASE("the rules of the flags hold for every service that is named by one")
{
    const auto result = parsed<RemoteOptions>({"--control-addr=:1", "--service=web=:80,mail=:25",
                                               "--max-connections=7", "--deny=10.0.0.0/8"});
    CHECK(result.err == "");
    for (const RemoteService& each : result.options.services) {
        CHECK(each.rules.visitors.max_connections == 7);
        CHECK(each.rules.visitors.deny.size() == 1);
    }
}

TEST_CASE("a table of a service says what is different for it")
{
    const auto [options, problems] = remote_with(R"(
max-connections = 7
max-new-per-second-per-ip = 5
deny = "10.0.0.0/8"
allow = "10.0.0.0/8,192.0.2.0/24"
max-bandwidth-up = "1KiB/s"
max-bandwidth-down-per-visitor = "8KiB/s"
[services.as-all]
outside-addr = ":80"
[services.own]
outside-addr = ":81"
max-connections = "off"
max-connections-per-ip = 3
deny = []
allow = "198.51.100.7"
max-bandwidth-up = "off"
max-bandwidth-down = "2KiB/s"
)");
    CHECK(problems == "");
    REQUIRE(options.services.size() == 2);
    CHECK((options.services[0].rules.visitors == options.rules.visitors));
    CHECK((options.services[0].rules.bandwidth == ServiceRates{{1024, {}}, {{}, 8192}}));
    const VisitorRules& own = options.services[1].rules.visitors;
    CHECK_FALSE(own.max_connections);
    CHECK(own.max_connections_per_ip == 3);
    CHECK(own.max_new_per_second_per_ip == 5);
    CHECK(own.deny.empty());
    CHECK((own.allow == std::vector{parse_cidr("198.51.100.7")}));
    CHECK((options.services[1].rules.bandwidth == ServiceRates{{{}, 2048}, {{}, 8192}}));
}

TEST_CASE("what is said of headers of the PROXY protocol holds for every service, too")
{
    const auto flags =
        parsed<RemoteOptions>({"--control-addr=:1", "--service=web=:80",
                               "--foreign-proxy-header=reset", "--accept-proxy-from=192.0.2.7"});
    CHECK(flags.options.services.at(0).rules.foreign_header == ForeignHeader::reset);
    CHECK(flags.options.services.at(0).rules.accept_proxy_from.size() == 1);
    const auto [options, problems] = remote_with(R"(
foreign-proxy-header = "reset"
accept-proxy-from = "192.0.2.7"
[services.as-all]
outside-addr = ":80"
[services.own]
outside-addr = ":81"
foreign-proxy-header = "data"
accept-proxy-from = ["192.0.2.8", "192.0.2.9"]
)");
    CHECK(problems == "");
    CHECK(options.services.at(0).rules.foreign_header == ForeignHeader::reset);
    CHECK(options.services.at(0).rules.accept_proxy_from.size() == 1);
    CHECK(options.services.at(1).rules.foreign_header == ForeignHeader::data);
    CHECK(options.services.at(1).rules.accept_proxy_from.size() == 2);
}

TEST_CASE("a service of the origin proxy has limits of bandwidth too")
{
    const auto [options, problems] = origin_with(R"(
max-bandwidth-up = "1KiB/s"
max-bandwidth-down = "1KiB/s"
max-bandwidth-up-per-visitor = "4KiB/s"
max-bandwidth-down-per-visitor = "8KiB/s"
[services.web]
origin-server-addr = ":80"
max-bandwidth-down = "2KiB/s"
)");
    CHECK(problems == "");
    CHECK((options.services.at(0).rules.bandwidth == all_four));
}

TEST_CASE("an origin proxy's table has limits of its own, and the others those of all")
{
    const auto [options, problems] = remote_with(R"(
outside-addr = ":80"
max-bandwidth-up-per-origin = "1KiB/s"
[origins.roof]
secret-file = "roof"
max-bandwidth-down = "2KiB/s"
[origins.cellar]
secret-file = "cellar"
max-bandwidth-up = "off"
)");
    CHECK(problems == "");
    CHECK((options.bandwidth_per_origin.at("") == Rates{1024, {}}));
    CHECK((options.bandwidth_per_origin.at("roof") == Rates{1024, 2048}));
    CHECK((options.bandwidth_per_origin.at("cellar") == Rates()));
}

TEST_CASE("what is no limit in a table is told with its line")
{
    CHECK(remote_with("outside-addr = \":1\"\n[services.a]\noutside-addr = \":2\"\n"
                      "max-bandwidth-up = \"fast\"")
              .complains_of(5, "max-bandwidth-up of services.a: \"fast\" is not off or a rate"));
    CHECK(remote_with("outside-addr = \":1\"\n[services.a]\noutside-addr = \":2\"\n"
                      "max-connections = \"on\"")
              .complains_of(5, "max-connections of services.a: \"on\" is not a number from 1"));
}
