// Tunnels that share an address by their host names.
#include <doctest/doctest.h>

#include <fmt/format.h>

#include "remote-proxy/registry/saved_state.hpp"
#include "tests/unit/registry/registry_house.hpp"

using namespace tunnel;

namespace {

// At 127.0.0.1:443, to the service `web` of `roof`.
Json entry(const std::string& glob)
{
    return {{"ListenAddress", "127.0.0.1"},
            {"ListenHostnameGlob", glob},
            {"ListenPort", 443U},
            {"BackEndService", "web"},
            {"ClientIdentifier", "roof"}};
}

std::vector<PublicTunnel> parsed(const std::vector<std::string>& globs)
{
    Json list = Json::array();
    for (const std::string& each : globs)
        list.push_back(entry(each));
    return parse_tunnels(list);
}

// What is wrong with them.
std::string objection(const std::vector<std::string>& globs)
{
    try {
        parsed(globs);
    } catch (const SteeringError& error) {
        CHECK(error.status() == 422);
        return error.what();
    }
    return "none";
}

std::vector<std::string> keys(const std::vector<PublicTunnel>& tunnels)
{
    std::vector<std::string> all;
    for (const PublicTunnel& each : tunnels)
        all.push_back(each.key());
    return all;
}

bool contains(const std::string& text, std::string_view part)
{
    return text.find(part) != std::string::npos;
}

using Names = std::vector<std::string>;

RegisteredServicePointer add(RegistryHouse& house, const PublicTunnel& tunnel)
{
    RemoteService options{tunnel.key(), {"127.0.0.1", 443}};
    options.origins = {tunnel.client};
    options.offered_as = tunnel.service;
    if (tunnel.has_host())
        options.names = {ServiceKind::tls, {tunnel.hostname_glob}};
    const auto added =
        house.registry.add(std::move(options), tunnel.endpoint(), nullptr, PublicTunnel(tunnel));
    house.settle();
    return added;
}

} // namespace

TEST_CASE("several tunnels share a port if each has a name of its own")
{
    const auto tunnels = parsed({"", "a.example", "*.a.example", "b.example"});
    CHECK(keys(tunnels) == Names{"127.0.0.1:443", "127.0.0.1:443/a.example",
                                 "127.0.0.1:443/*.a.example", "127.0.0.1:443/b.example"});
    CHECK_FALSE(tunnels[0].has_host());
    CHECK(tunnels[1].has_host());
    CHECK(tunnels[2].has_host());
}

TEST_CASE("a star alone means the same as no name")
{
    CHECK(keys(parsed({"*"})) == Names{"127.0.0.1:443"});
    CHECK_FALSE(parsed({"*"})[0].has_host());
    CHECK(parsed({"*"})[0].hostname_glob == "*"); // as it was given
    CHECK(contains(objection({"", "*"}), "tunnel 2 has the address, port and ListenHostnameGlob"));
}

TEST_CASE("names of tunnels are compared in one form")
{
    CHECK(parsed({"*.A.Example."})[0].hostname_glob == "*.a.example");
    CHECK(objection({"a.example", "b.example", "A.EXAMPLE."}) ==
          "tunnel 3 has the address, port and ListenHostnameGlob of another one: give each a port "
          "or a name of its own");
}

TEST_CASE("what is no name of a tunnel is refused with what to write instead")
{
    CHECK(contains(objection({"a.*.example"}), "the star stands for whole labels in front"));
    CHECK(contains(objection({"192.0.2.1"}), "is no host name"));
    CHECK(contains(objection({"b\xc3\xbc.example"}), "with xn--"));
    CHECK(contains(objection({"a.example:443"}), "is no host name"));
    CHECK(contains(objection({std::string(256, 'a')}), "is longer than a host name can be"));
    CHECK(contains(objection({std::string(257, 'a')}), "of more than 256 bytes"));
    CHECK_FALSE(contains(objection({"a\nb"}), "\n"));
}

TEST_CASE("the names of tunnels are written as they are read")
{
    const auto tunnels = parsed({"", "a.example", "*.a.example"});
    CHECK(parse_tunnels(to_json(tunnels)) == tunnels);
    SavedState kept;
    kept.set_tunnels(tunnels);
    kept.drain_service("127.0.0.1:443/*.a.example");
    CHECK(parse_saved_state(to_text(kept)) == kept);
    kept.set_tunnels({tunnels[0], tunnels[1]});
    CHECK(kept.drained_services.empty());
    kept.drain_service(tunnels[1].key());
    kept.forget(tunnels[0]); // of the same address
    CHECK(kept.drained_services.size() == 1);
    CHECK(kept.tunnels == std::vector{tunnels[1]});
}

TEST_CASE("a state file of an older program is read, and what it has kept is what it was")
{
    const SavedState state = parse_saved_state(R"({
  "version": 1,
  "tunnels": [
    {
      "HaProxyProxyProtocol": false,
      "ListenAddress": "127.0.0.1",
      "ListenHostnameGlob": "",
      "ListenPort": 9000,
      "BackEndService": "web",
      "ClientIdentifier": "roof"
    },
    {
      "HaProxyProxyProtocol": true,
      "ListenAddress": "127.0.0.1",
      "ListenHostnameGlob": "*",
      "ListenPort": 9001,
      "BackEndService": "web",
      "ClientIdentifier": "roof"
    }
  ],
  "drained_services": ["127.0.0.1:9000", "127.0.0.1:9001"],
  "drained_origins": []
})");
    CHECK(keys(state.tunnels) == Names{"127.0.0.1:9000", "127.0.0.1:9001"});
    CHECK(state.drained_services.contains(state.tunnels[1].key()));
}

TEST_CASE("tunnels at one address are services of their own, one for each name")
{
    RegistryHouse house;
    const auto roof = house.comes("roof");
    house.offers(roof, "web");
    const auto tunnels = parsed({"", "a.example"});
    const auto all = add(house, tunnels[0]);
    const auto one = add(house, tunnels[1]);
    CHECK(all->is_served_by(roof));
    CHECK(one->is_served_by(roof));
    CHECK(one->has_address());
    CHECK(one->is_open);
    CHECK(house.registry.services().with_address() == 2);
    house.closes(all);
    CHECK(house.names() == Names{"127.0.0.1:443/a.example"});
    CHECK(one->is_served_by(roof));
}

TEST_CASE("a name of a tunnel at its own address can be claimed at the shared one")
{
    RegistryHouse house;
    const auto roof = house.comes("roof");
    add(house, parsed({"app.d.example"})[0]);
    CHECK(house.with_host("app.d.example") == "");
    house.claims(roof, "site", ServiceKind::tls, {"app"});
    CHECK(house.told(roof) == "opened tls://app.d.example");
    CHECK(house.with_host("app.d.example") == "roof/site");
}
