// Headers of the PROXY protocol as bytes, and what is read of them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "common/transport/proxy_header.hpp"

namespace tunnel::test {

using namespace std::string_literals;

inline const std::string signature_v2 = "\r\n\r\n\0\r\nQUIT\n"s;

inline tcp::endpoint at(const char* ip, std::uint16_t port)
{
    return {asio::ip::make_address(ip), port};
}

inline const tcp::endpoint visitor_v4 = at("192.0.2.1", 50000);
inline const tcp::endpoint outside_v4 = at("198.51.100.7", 443);
inline const tcp::endpoint visitor_v6 = at("2001:db8::1", 50000);
inline const tcp::endpoint outside_v6 = at("2001:db8:ffff::7", 443);

// Of version 2, with a length of its own.
inline std::string binary(char command, char family, std::size_t length, const std::string& rest)
{
    return signature_v2 + command + family + static_cast<char>(length >> 8) +
           static_cast<char>(length) + rest;
}

inline std::string binary(char command, char family, const std::string& rest)
{
    return binary(command, family, rest.size(), rest);
}

inline const std::string ends_v4 = "\xc0\x00\x02\x01\xc6\x33\x64\x07\xc3\x50\x01\xbb"s;
inline const std::string ends_v6 =
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\x20\x01\x0d\xb8\xff\xff\0\0\0\0\0\0\0\0\0\7"
    "\xc3\x50\x01\xbb"s;

inline bool is(NoProxyHeader what, std::string_view bytes)
{
    const auto decoded = decode_proxy_header(bytes);
    const auto* const none = std::get_if<NoProxyHeader>(&decoded);
    return none != nullptr && *none == what;
}

// The header that the bytes begin with; of size 0: none.
inline ProxyHeader header_of(std::string_view bytes)
{
    const auto decoded = decode_proxy_header(bytes);
    const auto* const header = std::get_if<ProxyHeader>(&decoded);
    return header != nullptr ? *header : ProxyHeader{0};
}

// Whether the bytes are a header as a whole; `addresses` are then those that it has to tell.
inline bool is_header(std::string_view bytes, const std::optional<ProxyAddresses>& addresses = {})
{
    return header_of(bytes) == ProxyHeader{bytes.size(), addresses};
}

} // namespace tunnel::test
