// How visitors of a service are served: those of all services, unless its table says otherwise.
#pragma once

#include <cstdint>

#include "common/options/http_options.hpp"
#include "common/options/option.hpp"
#include "common/relay/bandwidth.hpp"
#include "origin-proxy/options/health_options.hpp"

namespace tunnel {

// What goes to the origin server before a visitor's first byte, so that it learns the visitor's
// address: https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt
enum class ProxyProtocol : std::uint8_t { off, v1, v2 };

inline constexpr const char* reuse_key = "reuse";

// A new rule is a member here and an entry in describe().
struct ServingRules {
    ProxyProtocol proxy_protocol = ProxyProtocol::off;
    ServiceRates bandwidth{};
    HealthCheck health_check{};
    HttpOptions http{};
    // Requests of several visitors may follow each other on one connection to the origin server.
    bool reuse = true;

    friend bool operator==(const ServingRules&, const ServingRules&) = default;
};

// Flags for all services, and keys of the table of one. A reload applies all of them.
OptionList describe(ServingRules& rules);

} // namespace tunnel
