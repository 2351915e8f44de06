// The header of the PROXY protocol: what a proxy says first on a connection, so that the server
// behind it knows whose connection it is. "The PROXY protocol, versions 1 & 2", by HAProxy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "common/base/asio.hpp"

namespace tunnel {

// The two ends of a visitor's connection, as whoever wrote the header saw them.
struct ProxyAddresses {
    tcp::endpoint visitor; // the protocol's source
    tcp::endpoint outside; // its destination: where the visitor arrived

    friend bool operator==(const ProxyAddresses&, const ProxyAddresses&) = default;
};

// Version 1, a line of text, and version 2, which is binary. IPv4 that came in over a dual-stack
// socket (::ffff:192.0.2.1) is written as IPv4; if only one of the two is IPv4, both are written as
// IPv6, since the protocol has one family for both. Zones are dropped.
std::string proxy_header_v1(const tcp::endpoint& visitor, const tcp::endpoint& outside);
std::string proxy_header_v2(const tcp::endpoint& visitor, const tcp::endpoint& outside);

// For a connection of which nothing is known.
std::string unknown_proxy_header_v1();

// For a connection of the proxy's own, such as a health check. Has zero bytes in it.
std::string local_proxy_header_v2();

// No header of version 1 is longer: "PROXY UNKNOWN", two addresses of 39 characters, two ports of 5
// and "\r\n". From the specification.
inline constexpr std::size_t largest_proxy_header_v1 = 107;

// No header is taken that is longer, of either version. The length in one of version 2 can say
// 65,535: the addresses take 216 at most, and the rest is for extensions. Those that are in use
// come to some hundreds of bytes; a page has room for a certificate's name and more.
inline constexpr std::size_t largest_proxy_header = 4096;

struct ProxyHeader {
    std::size_t size; // in bytes; what follows is the visitor's
    // As what they are: IPv4 that was written as IPv6 is IPv4. None if the header tells of no TCP
    // connection over IP (UNKNOWN, LOCAL, a Unix socket, UDP): then it is the connection's own ends
    // that count.
    std::optional<ProxyAddresses> addresses{};

    friend bool operator==(const ProxyHeader&, const ProxyHeader&) = default;
};

enum class NoProxyHeader : std::uint8_t {
    not_one,   // it does not begin as a header does
    not_whole, // it may become one: every byte so far would belong to it
    malformed, // it begins as a header, and is none
};

enum class ProxySignature : std::uint8_t {
    none,
    part, // all bytes so far belong to one
    whole,
};

// Whether `bytes` begin as a header of either version does, be it a good one or not.
ProxySignature proxy_signature(std::string_view bytes);

// The header that `bytes` begin with, or why there is none, which is told as early as it shows.
// Extensions of version 2 are skipped and not looked at: also its checksum (CRC32C) is not
// verified, as TCP has one of its own.
std::variant<ProxyHeader, NoProxyHeader> decode_proxy_header(std::string_view bytes);

} // namespace tunnel
