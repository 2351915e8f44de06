// "host:port" as people write it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/asio.hpp"

namespace tunnel {

// What parse_address understands, for error messages.
inline constexpr std::string_view address_syntax =
    "an address such as example.com:9001, 192.0.2.1:80, [2001:db8::1]:80 or :9000";

struct Address {
    std::string host; // a name or a literal without brackets; empty in ":port"
    std::uint16_t port = 0;

    friend bool operator==(const Address&, const Address&) = default;
};

// nullopt: not of the form. Only the form is looked at, no name is resolved.
std::optional<Address> parse_address(std::string_view text);

// As it is written, brackets included.
std::string to_string(const Address& address);

// Where to listen for `address`: every address of this machine, IPv6 and IPv4, for ":port"; for a
// name its first IPv4 address, else its first. Blocks for a name; for program start only. Throws
// std::system_error that names the address.
tcp::endpoint endpoint_to_listen(asio::io_context& io, const Address& address);

// Where to connect for `address`, in the order of preference that the system gives (RFC 6724);
// ":port" means this machine, and "localhost" both loopback addresses, without a look-up. Throws
// std::system_error, also when no answer came within `limit`: a look-up cannot be cancelled, it
// then goes on unheeded (common/base/lookups.hpp).
awaitable<std::vector<tcp::endpoint>> resolve(Address address, Clock::duration limit);

} // namespace tunnel
