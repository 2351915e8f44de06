// The flags of the remote proxy's services.
#include <doctest/doctest.h>

#include "remote-proxy/options/options.hpp"
#include "remote-proxy/remote_proxy.hpp"
#include "tests/unit/command_line.hpp"

using namespace tunnel;
using namespace tunnel::test;

namespace {

Parsed<RemoteOptions> remote(const std::vector<const char*>& arguments)
{
    std::vector<const char*> all{"--control-addr=:9001"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return parsed<RemoteOptions>(all);
}

bool complains(const std::vector<const char*>& arguments, std::string_view of)
{
    const auto result = remote(arguments);
    CHECK(result.code == 2);
    CHECK_MESSAGE(result.err.find(of) != std::string::npos, result.err);
    return result.err.find(of) != std::string::npos;
}

} // namespace

TEST_CASE("services of the remote proxy have names and addresses, beside the one without a name")
{
    const auto result = remote(
        {"--service", "web=:80", "--service=ssh=192.0.2.1:22,x=[::1]:0", "--outside-addr=:9000"});
    CHECK(result.code == std::nullopt);
    CHECK(result.err == "");
    const std::vector<RemoteService> expected{
        {"web", {"", 80}}, {"ssh", {"192.0.2.1", 22}}, {"x", {"::1", 0}}};
    CHECK((result.options.services == expected));
    CHECK(result.options.outside_address == Address{"", 9000});
    CHECK_FALSE(remote({"--service=web=:80"}).options.outside_address);
}

TEST_CASE("ports that origin proxies may open are single ones and ranges")
{
    const auto result = remote({"--allow-ports", "20000-20100,9000", "--allow-ports=1-65535"});
    CHECK(result.code == std::nullopt);
    const PortRanges expected{{20000, 20100}, {9000, 9000}, {1, 65535}};
    CHECK(result.options.allow_ports.at("") == expected);
}

TEST_CASE("a foreign header of the PROXY protocol is data or a reset")
{
    CHECK(remote({"--outside-addr=:1"}).options.rules.foreign_header == ForeignHeader::data);
    const auto result = remote({"--outside-addr=:1", "--foreign-proxy-header=reset"});
    CHECK(result.options.rules.foreign_header == ForeignHeader::reset);
    CHECK(services_of(result.options).front().rules.foreign_header == ForeignHeader::reset);
    complains({"--outside-addr=:1", "--foreign-proxy-header=drop"},
              "\"drop\" is not data or reset");
}

TEST_CASE("something to serve is required")
{
    complains(
        {},
        "--outside-addr, --service, --allow-ports, --https-addr or --http-addr with --domain or "
        "--allow-hosts, or --management-addr is required");
}

TEST_CASE("what is wrong with a service or a range of the remote proxy is told")
{
    complains({"--service=web"}, "there is no =");
    complains({"--service=a b=:80"}, "a name has");
    complains({"--service=games[1000]=:80"}, "a name has");
    complains({"--service=web=80"}, "behind the = belongs");
    complains({"--service=web=:80", "--service=web=:81"}, "two of the name web");
    complains({"--service=default=:80", "--outside-addr=:81"}, "two of the name default");
    for (const auto* const ports : {"0", "2-1", "1-", "-1", "65536", "x", "1-2-3", ""})
        complains({"--allow-ports", ports}, "");
}
