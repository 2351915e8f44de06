#include "origin-proxy/servers/visitor_header.hpp"

#include <optional>
#include <string_view>

#include "common/transport/proxy_header.hpp"

namespace tunnel {

namespace {

using namespace std::string_view_literals;

// Both say that whoever sends them knows nothing of a visitor. An origin server may let visitors in
// by their addresses, so none is made up where the remote proxy has told only half, or nonsense.
constexpr std::string_view v1_unknown = "PROXY UNKNOWN\r\n";
constexpr std::string_view v2_local = "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"sv;

// "ip:port", of an IP address in any of its forms: an IPv4 address in IPv6's as what it is, and a
// zone, which means nothing on another machine, left out.
std::optional<tcp::endpoint> parse_endpoint(std::string_view text)
{
    const auto parsed = parse_address(text);
    if (!parsed || parsed->port == 0)
        return std::nullopt;
    std::error_code error;
    const asio::ip::address address = asio::ip::make_address(parsed->host, error);
    if (error)
        return std::nullopt;
    if (address.is_v4())
        return tcp::endpoint(address, parsed->port);
    const asio::ip::address_v6 v6 = address.to_v6();
    if (v6.is_v4_mapped())
        return tcp::endpoint(asio::ip::make_address_v4(asio::ip::v4_mapped, v6), parsed->port);
    return tcp::endpoint(asio::ip::address_v6(v6.to_bytes()), parsed->port);
}

} // namespace

std::string visitor_header(ProxyProtocol protocol, const Announce& announce)
{
    if (protocol == ProxyProtocol::off && announce.wants_header)
        protocol = ProxyProtocol::v1;
    if (protocol == ProxyProtocol::off)
        return {};
    const auto visitor = parse_endpoint(announce.visitor);
    const auto outside = parse_endpoint(announce.outside);
    const bool v1 = protocol == ProxyProtocol::v1;
    if (!visitor || !outside || visitor->protocol() != outside->protocol())
        return std::string(v1 ? v1_unknown : v2_local);
    return v1 ? proxy_header_v1(*visitor, *outside) : proxy_header_v2(*visitor, *outside);
}

} // namespace tunnel
