#include "remote-proxy/registry/tunnels.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "common/base/log.hpp"
#include "common/transport/host_name.hpp"
#include "common/transport/socket.hpp"
#include "remote-proxy/options/service_options.hpp"

namespace tunnel {

namespace {

constexpr int deepest = 8;
constexpr std::size_t longest_value = 256;
constexpr std::size_t most_keys = 64; // of an object, which looks through them for each new one
// Names and values in a document, and where its objects and lists begin and end: more than the
// longest list or a whole state file has, and no more than are read in a few milliseconds.
constexpr std::size_t most_parts = 32 * most_tunnels;
constexpr unsigned not_such_a_list = 422;

// The names of threshold, whose document has the form: docs/management.md.
constexpr const char* proxy_protocol_key = "HaProxyProxyProtocol";
constexpr const char* address_key = "ListenAddress";
constexpr const char* glob_key = "ListenHostnameGlob";
constexpr const char* port_key = "ListenPort";
constexpr const char* service_key = "BackEndService";
constexpr const char* client_key = "ClientIdentifier";
constexpr std::array keys{proxy_protocol_key, address_key, glob_key,
                          port_key,           service_key, client_key};

// One entry of the list.
class Entry {
public:
    Entry(const Json& entry, std::size_t number) : entry_(entry), number_(number)
    {
        if (!entry.is_object())
            fail("is no object");
        for (const auto& item : entry.items()) {
            if (std::ranges::find(keys, std::string_view(item.key())) == keys.end())
                fail(fmt::format("has a key \"{}\", which means nothing here",
                                 log::escape(item.key().substr(0, longest_value))));
        }
    }

    [[noreturn]] void fail(std::string_view why, unsigned status = not_such_a_list) const
    {
        throw SteeringError(status, fmt::format("tunnel {} {}", number_, why));
    }

    // Empty if it is left out, and may be.
    std::string text(const char* key, bool required = true) const
    {
        const auto found = entry_.find(key);
        if (found == entry_.end() && !required)
            return {};
        if (found == entry_.end() || !found->is_string())
            fail(fmt::format("needs a {}, which is a text", key));
        auto value = found->get<std::string>();
        if (value.size() > longest_value)
            fail(fmt::format("has a {} of more than {} bytes", key, longest_value));
        return value;
    }

    bool flag(const char* key) const
    {
        const auto found = entry_.find(key);
        if (found == entry_.end())
            return false;
        if (!found->is_boolean())
            fail(fmt::format("has a {} that is neither true nor false", key));
        return found->get<bool>();
    }

    std::uint16_t port(const char* key) const
    {
        const auto found = entry_.find(key);
        const bool is_whole = found != entry_.end() && found->is_number_unsigned();
        const std::uint64_t value = is_whole ? found->get<std::uint64_t>() : 0;
        if (value < 1 || value > 65535)
            fail(fmt::format("needs a {}, a whole number from 1 to 65535", key));
        return static_cast<std::uint16_t>(value);
    }

private:
    const Json& entry_;
    std::size_t number_;
};

// Addresses with a zone mean nothing on other machines, and would not be told apart without it; an
// IPv4 address has one form.
bool can_be_listened_at(const asio::ip::address& address, std::string_view text)
{
    if (address.is_multicast() || address == asio::ip::address_v4::broadcast())
        return false;
    if (address.is_v4())
        return true;
    const auto v6 = address.to_v6();
    return text.find('%') == std::string_view::npos && !v6.is_link_local() && !v6.is_v4_mapped();
}

// Of one that is there and is not empty.
std::string host_of(const Entry& entry)
{
    const std::string text = entry.text(glob_key, false);
    if (text.empty())
        return text;
    auto host = canonical_host_pattern(text);
    if (!host)
        entry.fail(
            fmt::format("has a {} that means nothing here: {}", glob_key, objection_to_host(text)));
    return std::move(*host);
}

PublicTunnel tunnel_of(const Entry& entry)
{
    PublicTunnel tunnel;
    tunnel.proxy_protocol = entry.flag(proxy_protocol_key);
    tunnel.hostname_glob = host_of(entry);
    tunnel.listen_port = entry.port(port_key);
    tunnel.service = entry.text(service_key);
    if (!is_service_name(tunnel.service))
        entry.fail(fmt::format("has a {} that is no name of a service", service_key));
    tunnel.client = entry.text(client_key);
    if (tunnel.client.empty())
        entry.fail(fmt::format("has an empty {}", client_key));
    const std::string address = entry.text(address_key);
    std::error_code error;
    tunnel.listen_address = asio::ip::make_address(address, error);
    if (error || !can_be_listened_at(tunnel.listen_address, address))
        entry.fail(fmt::format("has a {} that is no IP address of a machine: \"{}\"", address_key,
                               log::escape(address)),
                   400);
    return tunnel;
}

// All addresses of IPv6 are those of IPv4 too.
bool contains(const asio::ip::address& all, const asio::ip::address& one)
{
    return all.is_unspecified() && (all.is_v6() || one.is_v4());
}

} // namespace

bool overlap(const tcp::endpoint& one, const tcp::endpoint& other)
{
    return one.port() == other.port() &&
           (one.address() == other.address() || contains(one.address(), other.address()) ||
            contains(other.address(), one.address()));
}

std::string PublicTunnel::key() const
{
    return has_host() ? fmt::format("{}/{}", to_string(endpoint()), hostname_glob)
                      : to_string(endpoint());
}

Json parse_json(std::string_view text)
{
    // The library takes a key that is there twice, and the last one wins, where another reader
    // takes the first.
    std::vector<std::set<std::string>> seen;
    std::size_t parts = 0;
    const auto look = [&seen, &parts](int depth, Json::parse_event_t event, Json& parsed) {
        using Event = Json::parse_event_t;
        if (depth > deepest)
            throw SteeringError(not_such_a_list, "the JSON is nested too deeply");
        if (++parts > most_parts || (!seen.empty() && seen.back().size() > most_keys))
            throw SteeringError(not_such_a_list,
                                fmt::format("that is more than {} tunnels need", most_tunnels));
        if (event == Event::object_start)
            seen.emplace_back();
        else if (event == Event::object_end)
            seen.pop_back();
        else if (event == Event::key && !seen.back().insert(parsed.get<std::string>()).second)
            throw SteeringError(not_such_a_list, "a key is there twice");
        return true;
    };
    try {
        return Json::parse(text, look);
    } catch (const Json::exception& error) {
        throw SteeringError(not_such_a_list,
                            fmt::format("this is no JSON: {}", log::escape(error.what())));
    }
}

std::vector<PublicTunnel> parse_tunnels(const Json& list)
{
    if (!list.is_array())
        throw SteeringError(not_such_a_list, "a list of tunnels is expected");
    if (list.size() > most_tunnels)
        throw SteeringError(not_such_a_list, fmt::format("more than {} tunnels", most_tunnels));
    std::vector<PublicTunnel> tunnels;
    std::set<std::string> taken;
    for (const Json& each : list) {
        const Entry entry(each, tunnels.size() + 1);
        tunnels.push_back(tunnel_of(entry));
        if (!taken.insert(tunnels.back().key()).second)
            entry.fail(fmt::format("has the address, port and {} of another one: give each a port "
                                   "or a name of its own",
                                   glob_key));
    }
    return tunnels;
}

Json to_json(const std::vector<PublicTunnel>& tunnels)
{
    Json list = Json::array();
    for (const PublicTunnel& each : tunnels) {
        Json entry;
        entry[proxy_protocol_key] = each.proxy_protocol;
        entry[address_key] = each.listen_address.to_string();
        entry[glob_key] = each.hostname_glob;
        entry[port_key] = each.listen_port;
        entry[service_key] = each.service;
        entry[client_key] = each.client;
        list.push_back(std::move(entry));
    }
    return list;
}

} // namespace tunnel
