// A configuration file of one of the programs: options that can be used, or lines that say what is
// wrong and never show a secret. The last byte says whose file it is.
#include <optional>
#include <set>
#include <string>

#include "common/options/outside.hpp"
#include "origin-proxy/options/options.hpp"
#include "origin-proxy/options/remote_peers.hpp"
#include "remote-proxy/options/options.hpp"
#include "tests/fuzz/input.hpp"

using namespace tunnel;
using namespace tunnel::fuzz;

namespace {

void check(const Address& address)
{
    require(parse_address(to_string(address)) == address, "an address is one");
}

void check(const ServerAddress& address)
{
    require(read_server_address(to_string(address)) == address, "a server's address is one");
    require(address.is_unix() != (address.port != 0), "somebody can connect");
}

template <class Service>
void check_names(const std::vector<Service>& services)
{
    std::set<std::string> names;
    for (const Service& each : services) {
        require(!each.name.empty() && each.name.size() <= 64 + 5, "a service has a name");
        require(names.insert(each.name).second, "no two services have the same name");
    }
}

void check(const RemoteOptions& options)
{
    check_names(options.services);
    for (const RemoteService& each : options.services) {
        check(each.outside_address);
        require(contradiction(each.names).empty(), "the names of a service fit its kind");
        require(each.rules.visitors.max_connections.value_or(1) > 0, "some may come");
    }
    for (const auto& [name, ranges] : options.allow_ports) {
        for (const PortRange& each : ranges)
            require(each.first > 0 && each.first <= each.last, "a range has ports");
    }
    for (const OriginSecret& each : options.trust.origins)
        require(each.credential.has_value() != !each.file.empty(), "a secret is in one place");
}

void check(const OriginOptions& options)
{
    check_names(options.services);
    require(options.services.size() <= 1000, "there are not too many services");
    std::set<std::string> remote_proxies;
    for (const RemotePeer& each : options.remote_proxies) {
        check(each.address);
        require(options.trust_of(each).contradiction().empty(), "the trust can be had");
        require(remote_proxies.insert(to_string(each.address)).second, "each is there once");
    }
    require(!remote_proxies.empty() && remote_proxies.size() <= most_remote_proxies,
            "there are some remote proxies, and not too many");
    for (const OriginService& each : options.services) {
        check(each.origin_server_address);
        if (each.outside_address)
            check(*each.outside_address);
        require(contradiction(each.names).empty(), "the names of a service fit its kind");
    }
}

template <class Options>
std::string problems_of(std::string_view toml)
{
    Options options;
    const std::string problems = parse_configuration(toml, "FILE", options);
    require(std::ranges::all_of(
                problems, [](unsigned char c) { return (c >= ' ' && c < 0x7f) || c == '\n'; }),
            "what is wrong is told in printable lines");
    if (problems.empty())
        check(options);
    return problems;
}

// Another character of the same kind, so that a text is as hard to guess as it was.
char next_of_its_kind(char c)
{
    for (const std::string_view kind :
         {"0123456789", "abcdef", "ghijklmnopqrstuvwxyz", "ABCDEF", "GHIJKLMNOPQRSTUVWXYZ"}) {
        const std::size_t at = kind.find(c);
        if (at != std::string_view::npos)
            return kind[(at + 1) % kind.size()];
    }
    return c;
}

// The same file with every secret of an own line made another one. nullopt: it has quotes of a kind
// that only a whole parser of TOML can tell where they end.
std::optional<std::string> with_other_secrets(std::string_view toml)
{
    constexpr std::string_view begin = "\nsecret = \"";
    if (toml.find('\'') != std::string_view::npos || toml.find('\\') != std::string_view::npos ||
        toml.find("\"\"\"") != std::string_view::npos)
        return std::nullopt;
    std::string other(toml);
    for (std::size_t at = 0; (at = other.find(begin, at)) != std::string::npos;) {
        at += begin.size();
        const std::size_t end = other.find_first_of("\"\n", at);
        if (end == std::string::npos || other[end] == '\n') // no TOML from here on
            break;
        std::transform(&other[at], &other[end], &other[at], next_of_its_kind);
    }
    return other;
}

template <class Options>
void parse_and_check(std::string_view toml)
{
    const std::string problems = problems_of<Options>(toml);
    if (const auto other = with_other_secrets(toml))
        require(problems_of<Options>(*other) == problems,
                "the words do not depend on what the secrets are");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    Input input(data, size);
    if (input.choice() == 'o')
        parse_and_check<OriginOptions>(input.text());
    else
        parse_and_check<RemoteOptions>(input.text());
    return 0;
}
