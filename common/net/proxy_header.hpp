// The header of the PROXY protocol, by which a server learns whose connection it has been given:
// https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt
#pragma once

#include <string>

#include "common/asio.hpp"

namespace tunnel {

// For a visitor that connected to `outside`. An IPv4 address that stands beside an IPv6 one is
// written as the IPv6 address that maps it.
std::string proxy_header_v1(const tcp::endpoint& visitor, const tcp::endpoint& outside);
std::string proxy_header_v2(const tcp::endpoint& visitor, const tcp::endpoint& outside);

} // namespace tunnel
