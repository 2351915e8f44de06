#include "common/transport/proxy_header.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include <fmt/format.h>

namespace tunnel {

namespace {

using namespace std::string_view_literals;

using Decoded = std::variant<ProxyHeader, NoProxyHeader>;

constexpr std::string_view signature_v1 = "PROXY ";
constexpr std::string_view signature_v2 = "\r\n\r\n\0\r\nQUIT\n"sv;

// Of version 2: the signature, the command, the family and the length of what follows.
constexpr std::size_t command_at = signature_v2.size();
constexpr std::size_t family_at = command_at + 1;
constexpr std::size_t length_at = family_at + 1;
constexpr std::size_t fixed_size = length_at + 2;

// The version is the upper half of the command's byte.
constexpr std::uint8_t local_command = 0x20;
constexpr std::uint8_t proxy_command = 0x21;

// The address family and, in the lower half, the kind of socket.
constexpr std::uint8_t unspecified = 0x00;
constexpr std::uint8_t tcp_over_v4 = 0x11;
constexpr std::uint8_t udp_over_v4 = 0x12;
constexpr std::uint8_t tcp_over_v6 = 0x21;
constexpr std::uint8_t udp_over_v6 = 0x22;
constexpr std::uint8_t unix_stream = 0x31;
constexpr std::uint8_t unix_datagram = 0x32;

// By itself: no IPv4 in IPv6, and no zone, which means nothing to another machine.
asio::ip::address plain(const asio::ip::address& address)
{
    if (address.is_v4())
        return address;
    const asio::ip::address_v6 v6 = address.to_v6();
    if (v6.is_v4_mapped())
        return asio::ip::make_address_v4(asio::ip::v4_mapped, v6);
    return asio::ip::address_v6(v6.to_bytes());
}

tcp::endpoint plain(const tcp::endpoint& endpoint)
{
    return {plain(endpoint.address()), endpoint.port()};
}

bool is_v4(const tcp::endpoint& endpoint)
{
    return plain(endpoint.address()).is_v4();
}

asio::ip::address_v4 as_v4(const tcp::endpoint& endpoint)
{
    return plain(endpoint.address()).to_v4();
}

asio::ip::address_v6 as_v6(const tcp::endpoint& endpoint)
{
    const asio::ip::address address = plain(endpoint.address());
    return address.is_v4() ? asio::ip::make_address_v6(asio::ip::v4_mapped, address.to_v4())
                           : address.to_v6();
}

// The protocol knows no IPv4 notation within IPv6, which the system would use for some addresses.
std::string text_of(const asio::ip::address_v6& address)
{
    std::string text = address.to_string();
    if (text.find('.') == std::string::npos)
        return text;
    const auto bytes = address.to_bytes();
    std::array<unsigned, 8> groups{};
    for (std::size_t i = 0; i < groups.size(); ++i)
        groups[i] = bytes[2 * i] * 256u + bytes[2 * i + 1];
    return fmt::format("{:x}", fmt::join(groups, ":"));
}

void append(std::string& bytes, std::size_t number)
{
    bytes += static_cast<char>(number / 256);
    bytes += static_cast<char>(number % 256);
}

template <class Address>
void append_all(std::string& header, const Address& visitor, const Address& outside)
{
    for (const auto& bytes : {visitor.to_bytes(), outside.to_bytes()})
        header.append(bytes.begin(), bytes.end());
}

std::string fixed_part(std::uint8_t command, std::uint8_t family, std::size_t length)
{
    std::string header(signature_v2);
    header += static_cast<char>(command);
    header += static_cast<char>(family);
    append(header, length);
    return header;
}

std::uint8_t byte_at(std::string_view bytes, std::size_t index)
{
    return static_cast<std::uint8_t>(bytes[index]);
}

std::uint16_t number_at(std::string_view bytes, std::size_t index)
{
    return static_cast<std::uint16_t>(byte_at(bytes, index) * 256 + byte_at(bytes, index + 1));
}

// The word before the next space, which goes with it, or all that is left.
std::string_view take_word(std::string_view& line)
{
    const std::size_t space = line.find(' ');
    const std::string_view word = line.substr(0, space);
    line.remove_prefix(space == std::string_view::npos ? line.size() : space + 1);
    return word;
}

// The characters are looked at first: the system's function stops at a NUL, and takes a zone. It is
// strict about the rest, and takes IPv4 within IPv6, as proxies write it that use its counterpart.
std::optional<asio::ip::address> parse_ip(std::string_view text, bool v6)
{
    const auto belongs = [v6](unsigned char c) {
        return c == '.' || (v6 ? c == ':' || std::isxdigit(c) != 0 : std::isdigit(c) != 0);
    };
    if (!std::ranges::all_of(text, belongs))
        return std::nullopt;
    std::error_code error;
    const asio::ip::address address = asio::ip::make_address(std::string(text), error);
    if (error || address.is_v6() != v6)
        return std::nullopt;
    return plain(address);
}

std::optional<std::uint16_t> parse_port(std::string_view text)
{
    if (text.size() > 1 && text.starts_with('0'))
        return std::nullopt;
    std::uint16_t port = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, port);
    if (error != std::errc() || rest != end)
        return std::nullopt;
    return port;
}

// "TCP4 192.0.2.1 198.51.100.1 50000 443"
std::optional<ProxyAddresses> parse_line(std::string_view line)
{
    const std::string_view protocol = take_word(line);
    if (protocol != "TCP4" && protocol != "TCP6")
        return std::nullopt;
    const bool v6 = protocol == "TCP6";
    const auto visitor = parse_ip(take_word(line), v6);
    const auto outside = parse_ip(take_word(line), v6);
    const auto visitor_port = parse_port(take_word(line));
    const auto outside_port = parse_port(line);
    if (!visitor || !outside || !visitor_port || !outside_port)
        return std::nullopt;
    return ProxyAddresses{{*visitor, *visitor_port}, {*outside, *outside_port}};
}

Decoded decode_v1(std::string_view bytes)
{
    const std::string_view first = bytes.substr(0, largest_proxy_header_v1);
    const std::size_t end = first.find_first_of("\r\n");
    if (end == std::string_view::npos || (first[end] == '\r' && end + 1 == first.size()))
        return first.size() < largest_proxy_header_v1 ? NoProxyHeader::not_whole
                                                      : NoProxyHeader::malformed;
    if (first.substr(end, 2) != "\r\n")
        return NoProxyHeader::malformed;
    const std::size_t size = end + 2;
    const std::string_view line = first.substr(0, end).substr(signature_v1.size());
    // The rest of such a line is to be ignored.
    if (line == "UNKNOWN" || line.starts_with("UNKNOWN "))
        return ProxyHeader{size};
    const auto addresses = parse_line(line);
    if (!addresses)
        return NoProxyHeader::malformed;
    return ProxyHeader{size, addresses};
}

// The bytes that the two ends take; nullopt: not a family of the protocol.
std::optional<std::size_t> size_of_addresses(std::uint8_t family)
{
    switch (family) {
    case unspecified:
        return 0;
    case tcp_over_v4:
    case udp_over_v4:
        return 2 * 4 + 2 * 2;
    case tcp_over_v6:
    case udp_over_v6:
        return 2 * 16 + 2 * 2;
    case unix_stream:
    case unix_datagram:
        return 2 * 108;
    default:
        return std::nullopt;
    }
}

// `bytes` begin with the two addresses, and then the two ports.
template <class Address>
ProxyAddresses read_addresses(std::string_view bytes)
{
    typename Address::bytes_type visitor;
    typename Address::bytes_type outside;
    const std::size_t size = visitor.size();
    std::copy_n(bytes.begin(), size, visitor.begin());
    std::copy_n(bytes.begin() + size, size, outside.begin());
    return {plain(tcp::endpoint(Address(visitor), number_at(bytes, 2 * size))),
            plain(tcp::endpoint(Address(outside), number_at(bytes, 2 * size + 2)))};
}

Decoded decode_v2(std::string_view bytes)
{
    if (bytes.size() <= command_at)
        return NoProxyHeader::not_whole;
    const std::uint8_t command = byte_at(bytes, command_at);
    if (command != local_command && command != proxy_command)
        return NoProxyHeader::malformed;
    if (bytes.size() <= family_at)
        return NoProxyHeader::not_whole;
    // A LOCAL one may say whatever it likes.
    const std::uint8_t family = command == local_command ? unspecified : byte_at(bytes, family_at);
    const auto least = size_of_addresses(family);
    if (!least)
        return NoProxyHeader::malformed;
    if (bytes.size() < fixed_size)
        return NoProxyHeader::not_whole;
    const std::size_t length = number_at(bytes, length_at);
    const std::size_t size = fixed_size + length;
    if (length < *least || size > largest_proxy_header)
        return NoProxyHeader::malformed;
    if (bytes.size() < size)
        return NoProxyHeader::not_whole;
    const std::string_view rest = bytes.substr(fixed_size);
    if (family == tcp_over_v4)
        return ProxyHeader{size, read_addresses<asio::ip::address_v4>(rest)};
    if (family == tcp_over_v6)
        return ProxyHeader{size, read_addresses<asio::ip::address_v6>(rest)};
    return ProxyHeader{size};
}

} // namespace

std::string proxy_header_v1(const tcp::endpoint& visitor, const tcp::endpoint& outside)
{
    const bool v4 = is_v4(visitor) && is_v4(outside);
    const auto text = [v4](const tcp::endpoint& endpoint) {
        return v4 ? as_v4(endpoint).to_string() : text_of(as_v6(endpoint));
    };
    return fmt::format("{}{} {} {} {} {}\r\n", signature_v1, v4 ? "TCP4" : "TCP6", text(visitor),
                       text(outside), visitor.port(), outside.port());
}

std::string proxy_header_v2(const tcp::endpoint& visitor, const tcp::endpoint& outside)
{
    const bool v4 = is_v4(visitor) && is_v4(outside);
    const std::uint8_t family = v4 ? tcp_over_v4 : tcp_over_v6;
    std::string header = fixed_part(proxy_command, family, *size_of_addresses(family));
    if (v4)
        append_all(header, as_v4(visitor), as_v4(outside));
    else
        append_all(header, as_v6(visitor), as_v6(outside));
    append(header, visitor.port());
    append(header, outside.port());
    return header;
}

std::string unknown_proxy_header_v1()
{
    return "PROXY UNKNOWN\r\n";
}

std::string local_proxy_header_v2()
{
    return fixed_part(local_command, unspecified, 0);
}

ProxySignature proxy_signature(std::string_view bytes)
{
    for (const std::string_view signature : {signature_v1, signature_v2}) {
        if (bytes.starts_with(signature))
            return ProxySignature::whole;
        if (signature.starts_with(bytes))
            return ProxySignature::part;
    }
    return ProxySignature::none;
}

Decoded decode_proxy_header(std::string_view bytes)
{
    switch (proxy_signature(bytes)) {
    case ProxySignature::none:
        return NoProxyHeader::not_one;
    case ProxySignature::part:
        return NoProxyHeader::not_whole;
    case ProxySignature::whole:
        break;
    }
    return bytes.starts_with(signature_v1) ? decode_v1(bytes) : decode_v2(bytes);
}

} // namespace tunnel
