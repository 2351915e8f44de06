// Networks of addresses, "10.0.0.0/8" as people write them.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "common/base/asio.hpp"

namespace tunnel {

// A network of IPv4 or of IPv6 addresses. An IPv4 address that came in over a dual-stack socket
// (::ffff:192.0.2.1) is one of IPv4: no IPv6 network contains it, not even ::/0.
class Cidr {
public:
    // The network of the addresses whose first `length` bits are those of `address`: up to 32 for
    // IPv4, 128 for IPv6. Zones are dropped.
    Cidr(const asio::ip::address& address, unsigned length);

    bool contains(const asio::ip::address& address) const;

    // Whether it is the network's first address, which names the network.
    bool starts_at(const asio::ip::address& address) const;

    // As parse_cidr() reads it.
    std::string text() const;

    friend bool operator==(const Cidr&, const Cidr&) = default;

    // Some order, for tables.
    friend bool operator<(const Cidr& a, const Cidr& b)
    {
        return std::tie(a.bytes_, a.length_) < std::tie(b.bytes_, b.length_);
    }

private:
    std::array<std::uint8_t, 16> bytes_; // IPv4 as ::ffff:…; what is beyond the length is 0
    std::uint8_t length_;                // of bytes_: 96 more for IPv4
};

// "10.0.0.0/8", "2001:db8::/32", or one address alone. Throws std::invalid_argument, whose what()
// is one line with the text, what is wrong with it and, for "10.0.0.1/8", what it could have meant.
Cidr parse_cidr(std::string_view text);

// Whether one of them contains the address.
bool contains(const std::vector<Cidr>& networks, const asio::ip::address& address);

// 127.0.0.0/8 and ::1.
std::vector<Cidr> loopback_networks();

// What counts as one, where something is counted by address: an IPv4 address, or an IPv6 network
// of 64 bits. A subscriber is given no less than that (RFC 6177) and may take a new address in it
// for each connection, as the privacy extensions do by themselves: counted by address, he would
// never reach a limit, and would fill every table.
Cidr subscriber_of(const asio::ip::address& address);

} // namespace tunnel
