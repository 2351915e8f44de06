// What holds for the visitors of a service: for those of all services, unless its table says
// otherwise.
#pragma once

#include <cstdint>
#include <vector>

#include "common/options/option.hpp"
#include "common/relay/bandwidth.hpp"
#include "common/transport/cidr.hpp"
#include "remote-proxy/options/visitor_rules.hpp"

namespace tunnel {

// What becomes of a visitor who begins with a header of the PROXY protocol and is no load balancer
// of whom one is expected.
enum class ForeignHeader : std::uint8_t {
    data,  // it is the visitor's own, and passed on
    reset, // so is the visitor, and not a byte is passed on
};

// A new rule is a member here and an entry in describe().
struct ServiceRules {
    VisitorRules visitors{};
    ServiceRates bandwidth{};
    // Load balancers in front: their connections begin with a header of the PROXY protocol, which
    // says who the visitor is.
    std::vector<Cidr> accept_proxy_from{};
    ForeignHeader foreign_header = ForeignHeader::data; // from anybody else

    friend bool operator==(const ServiceRules&, const ServiceRules&) = default;
};

// Flags for all services, and keys of the table of one. A reload applies all of them.
OptionList describe(ServiceRules& rules);

} // namespace tunnel
