// Who may visit a service, and how many.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "common/transport/cidr.hpp"

namespace tunnel {

// What is not set is not limited. Per IP means per subscriber_of() the visitor's address.
struct VisitorRules {
    std::optional<std::uint32_t> max_connections;
    std::optional<std::uint32_t> max_connections_per_ip;
    std::optional<std::uint32_t> max_new_per_second_per_ip;
    std::vector<Cidr> allow; // empty: everybody
    std::vector<Cidr> deny;  // also those whom `allow` contains
    // To whom the limits per IP do not apply. Whoever comes from this machine is a server in front
    // of this one, as a rule, that has all its visitors behind one address.
    std::vector<Cidr> trusted = loopback_networks();

    friend bool operator==(const VisitorRules&, const VisitorRules&) = default;
};

} // namespace tunnel
