#include "common/transport/cidr.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>
#include <stdexcept>

#include <fmt/format.h>

#include "common/base/log.hpp"

namespace tunnel {

namespace {

using Bytes = std::array<std::uint8_t, 16>;

constexpr unsigned v4_prefix = 96; // the bits of ::ffff:0:0

bool is_v4(const asio::ip::address& address)
{
    return address.is_v4() || address.to_v6().is_v4_mapped();
}

Bytes bytes_of(const asio::ip::address& address)
{
    if (address.is_v6())
        return address.to_v6().to_bytes();
    Bytes bytes{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    std::ranges::copy(address.to_v4().to_bytes(), bytes.begin() + v4_prefix / 8);
    return bytes;
}

// The bits of this byte that belong to a network of `length` bits.
std::uint8_t mask(std::size_t byte, unsigned length)
{
    const auto bits = std::clamp(static_cast<int>(length) - 8 * static_cast<int>(byte), 0, 8);
    return static_cast<std::uint8_t>(0xff00 >> bits);
}

// Looks at the characters too: a NUL would hide what follows it, and a zone means nothing to a
// network.
std::optional<asio::ip::address> parse_ip(std::string_view text)
{
    if (!std::ranges::all_of(
            text, [](unsigned char c) { return std::isxdigit(c) != 0 || c == ':' || c == '.'; }))
        return std::nullopt;
    std::error_code error;
    const asio::ip::address address = asio::ip::make_address(std::string(text), error);
    return error ? std::nullopt : std::optional(address);
}

std::optional<unsigned> parse_length(std::string_view text)
{
    unsigned length = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, length);
    return error == std::errc() && rest == end ? std::optional(length) : std::nullopt;
}

[[noreturn]] void fail_to_parse(std::string_view text, std::string_view why)
{
    throw std::invalid_argument(fmt::format("\"{}\" is not a network{}", log::escape(text), why));
}

} // namespace

Cidr::Cidr(const asio::ip::address& address, unsigned length)
    : bytes_(bytes_of(address)),
      length_(static_cast<std::uint8_t>(address.is_v4() ? v4_prefix + length : length))
{
    for (std::size_t i = 0; i < bytes_.size(); ++i)
        bytes_[i] &= mask(i, length_);
}

bool Cidr::contains(const asio::ip::address& address) const
{
    if (is_v4(address) && length_ < v4_prefix)
        return false;
    const Bytes bytes = bytes_of(address);
    for (std::size_t i = 0; i < bytes.size() && i * 8 < length_; ++i) {
        if ((bytes[i] & mask(i, length_)) != bytes_[i])
            return false;
    }
    return true;
}

bool Cidr::starts_at(const asio::ip::address& address) const
{
    return bytes_ == bytes_of(address);
}

std::string Cidr::text() const
{
    const asio::ip::address_v6 v6(bytes_);
    if (v6.is_v4_mapped() && length_ >= v4_prefix)
        return fmt::format("{}/{}", asio::ip::make_address_v4(asio::ip::v4_mapped, v6).to_string(),
                           length_ - v4_prefix);
    return fmt::format("{}/{}", v6.to_string(), length_);
}

Cidr parse_cidr(std::string_view text)
{
    const std::size_t slash = text.find('/');
    const auto address = parse_ip(text.substr(0, slash));
    if (!address)
        fail_to_parse(text, " such as 192.0.2.0/24 or 2001:db8::/32, nor a single IP address");
    const unsigned longest = address->is_v4() ? 32 : 128;
    if (slash == std::string_view::npos)
        return {*address, longest};
    const auto length = parse_length(text.substr(slash + 1));
    if (!length || *length > longest)
        fail_to_parse(
            text, fmt::format(": what follows the slash must be a number from 0 to {}", longest));
    const Cidr network(*address, *length);
    if (!network.starts_at(*address))
        fail_to_parse(text, fmt::format(": did you mean {}?", network.text()));
    return network;
}

bool contains(const std::vector<Cidr>& networks, const asio::ip::address& address)
{
    return std::ranges::any_of(networks,
                               [&](const Cidr& network) { return network.contains(address); });
}

std::vector<Cidr> loopback_networks()
{
    return {parse_cidr("127.0.0.0/8"), parse_cidr("::1/128")};
}

Cidr subscriber_of(const asio::ip::address& address)
{
    return is_v4(address) ? Cidr(asio::ip::address_v6(bytes_of(address)), 128) : Cidr(address, 64);
}

} // namespace tunnel
