#include "common/options/outside.hpp"

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

#include "common/base/asio.hpp"
#include "common/base/log.hpp"
#include "common/options/document.hpp"
#include "common/options/value_readers.hpp"
#include "common/transport/host_name.hpp"

namespace tunnel {

namespace {

constexpr std::string_view behind_kind = "://";
constexpr const char* kind_key = "kind";
constexpr const char* hosts_key = "hosts";

// ":8080", "127.0.0.1:8080/" or "localhost:8080": an address, which no name on a shared port is.
bool is_own_address(std::string_view where)
{
    const std::size_t colon = where.rfind(':');
    if (colon == std::string_view::npos || where.ends_with(']'))
        return false;
    const std::string host(where.substr(0, colon));
    std::error_code error;
    asio::ip::make_address(host, error);
    return host.empty() || host == "localhost" || host.front() == '[' || !error;
}

std::uint16_t usual_port(ServiceKind kind)
{
    return kind == ServiceKind::http ? 80 : 443;
}

// What stands behind "https://".
std::string read_host_of(ServiceKind kind, std::string_view text)
{
    if (text.ends_with('/'))
        text.remove_suffix(1);
    if (text.empty()) // a random label
        return {};
    if (text.find('/') != std::string_view::npos)
        throw std::invalid_argument(
            fmt::format("\"{}\" has a path, and a service has all paths of its name: leave out "
                        "what follows the name",
                        log::escape(text)));
    if (text.front() == '[')
        throw std::invalid_argument(objection_to_host(text));
    const std::size_t colon = text.find(':');
    if (colon != std::string_view::npos && is_own_address(text))
        throw std::invalid_argument(
            fmt::format("\"{0}://{1}\" has no name, and TLS with a port of its own does not end "
                        "here: expected {0}://NAME on the remote proxy's --https-addr, http://{1}, "
                        "or {1} where the origin server speaks TLS itself",
                        name_of(kind), log::escape(text)));
    if (colon != std::string_view::npos)
        throw std::invalid_argument(
            fmt::format("\"{}\" has a port, and the remote proxy's --{}-addr says which it is: "
                        "leave it out",
                        log::escape(text), kind == ServiceKind::http ? "http" : "https"));
    return read_host(text);
}

} // namespace

std::string read_host(std::string_view text)
{
    auto host = canonical_host_pattern(text);
    if (!host)
        throw std::invalid_argument(objection_to_host(text));
    return std::move(*host);
}

ServiceKind read_kind(std::string_view text)
{
    if (text == "udp")
        throw std::invalid_argument("\"udp\" is not yet there, expected tcp, tls, https or http");
    return read_choice(service_kinds, text);
}

Outside read_outside(std::string_view text)
{
    const std::size_t mark = text.find(behind_kind);
    if (mark == std::string_view::npos)
        return {read_address_range(text), {}};
    const ServiceKind kind = read_kind(text.substr(0, mark));
    const std::string_view rest = text.substr(mark + behind_kind.size());
    if (kind == ServiceKind::tcp)
        return {read_address_range(rest), {}};
    const std::string_view address = rest.substr(0, rest.size() - (rest.ends_with('/') ? 1 : 0));
    if (kind == ServiceKind::http && is_own_address(address))
        return {read_address_range(address), {}, true};
    return {std::nullopt, {kind, {read_host_of(kind, rest)}}};
}

bool OutsideKeys::lacks_something_of(const Setting& table) const
{
    const bool has_outside =
        table.find(outside_key) != nullptr || table.find(outside_addr_key) != nullptr;
    return (has_outside && !outside) || (table.find(kind_key) != nullptr && !kind) ||
           (table.find(hosts_key) != nullptr && hosts.empty());
}

Outside OutsideKeys::combined() const
{
    Outside all = outside.value_or(Outside());
    const bool is_http = all.is_http || kind == ServiceKind::http;
    if (all.addresses && (!hosts.empty() || (kind.value_or(ServiceKind::tcp) != ServiceKind::tcp &&
                                             kind != ServiceKind::http)))
        throw std::invalid_argument("has a port of its own and names: give outside or hosts");
    if (all.is_http && kind == ServiceKind::tcp)
        throw std::invalid_argument("is of the kind tcp and outside says http: give one");
    if (all.addresses) {
        all.is_http = is_http;
        return all;
    }
    if (all.names.given() && kind && *kind != all.names.kind)
        throw std::invalid_argument(fmt::format("is of the kind {} and outside says {}: give one",
                                                name_of(*kind), name_of(all.names.kind)));
    if (!all.names.given())
        all.names.kind = kind.value_or(ServiceKind::tcp);
    all.names.hosts.insert(all.names.hosts.end(), hosts.begin(), hosts.end());
    if (const std::string wrong = contradiction(all.names); !wrong.empty())
        throw std::invalid_argument(wrong);
    return all;
}

OptionList describe(OutsideKeys& keys)
{
    const auto take = [&keys](const std::string& text) {
        if (keys.outside)
            throw std::invalid_argument("outside and outside-addr are the same: give one");
        keys.outside = read_outside(text);
    };
    const auto take_host = [&keys](const std::string& text) {
        keys.hosts.push_back(read_host(text));
    };
    ValueReader kind = as_text(
        "KIND", [&keys](const std::string& text) { keys.kind = read_kind(text); },
        name_of(ServiceKind::tcp));
    for (const auto& [name, each] : service_kinds)
        kind.choices.emplace_back(name);
    return {{outside_key, as_text(outside_syntax, take),
             "Where visitors connect to: a port, http://:PORT where they speak HTTP, or "
             "https://NAME, http://NAME or tls://NAME on a port that services share"},
            {outside_addr_key, as_text(outside_syntax, take), "The same"},
            {kind_key, kind,
             "What visitors speak. tls: it ends at the origin server; https: it ends at the "
             "remote proxy, which reads what is in it; http: the same without TLS"},
            {hosts_key, as_list("NAME", take_host),
             "The names under which visitors find it, where the kind is not tcp"}};
}

std::string contradiction(const PublicNames& names)
{
    if (!names.given())
        return names.hosts.empty() ? std::string()
                                   : "has hosts and is of the kind tcp, expected kind = \"https\" "
                                     "or \"tls\"";
    if (names.hosts.empty())
        return fmt::format("is of the kind {} and has no hosts, expected hosts = [\"NAME\"]",
                           name_of(names.kind));
    if (names.hosts.size() > most_hosts)
        return fmt::format("has {} hosts, expected {} at most", names.hosts.size(), most_hosts);
    for (auto each = names.hosts.begin(); each != names.hosts.end(); ++each) {
        if (std::find(names.hosts.begin(), each, *each) != each)
            return fmt::format("has the host {} twice", each->empty() ? "\"\"" : *each);
    }
    return {};
}

std::string to_text(const PublicNames& names, std::uint16_t port)
{
    std::string text;
    constexpr std::size_t longest = 900; // a frame cuts longer ones
    for (const std::string& host : names.hosts) {
        if (text.size() + host.size() > longest)
            break;
        text += fmt::format("{}{}{}{}", text.empty() ? "" : ",", name_of(names.kind), behind_kind,
                            host);
        if (port != 0 && port != usual_port(names.kind))
            text += fmt::format(":{}", port);
    }
    return text;
}

} // namespace tunnel
