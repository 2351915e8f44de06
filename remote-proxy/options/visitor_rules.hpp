// Who may visit a service, and how many.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "common/transport/cidr.hpp"

namespace tunnel {

// Unset means unlimited. Per IP means per subscriber_of() the visitor's address.
struct VisitorRules {
    std::optional<std::uint32_t> max_connections;
    std::optional<std::uint32_t> max_connections_per_ip;
    std::optional<std::uint32_t> max_new_per_second_per_ip;
    std::vector<Cidr> allow; // empty: everybody
    std::vector<Cidr> deny;  // takes precedence over `allow`
    // Not subject to limits per IP. A connection from this machine usually comes from a server in
    // front, which has all its visitors behind one address.
    std::vector<Cidr> trusted = loopback_networks();

    friend bool operator==(const VisitorRules&, const VisitorRules&) = default;
};

} // namespace tunnel
