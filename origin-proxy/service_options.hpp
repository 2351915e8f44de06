// What the origin proxy is told of one service.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/net/address.hpp"
#include "common/net/server_address.hpp"
#include "common/relay/bandwidth.hpp"
#include "origin-proxy/health_options.hpp"

namespace tunnel {

// What goes to the origin server before a visitor's first byte, so that it learns the visitor's
// address: https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt
enum class ProxyProtocol : std::uint8_t { off, v1, v2 };

// "off", "v1" or "v2". Throws std::invalid_argument.
ProxyProtocol read_proxy_protocol(std::string_view text);

struct OriginService {
    std::string name;
    ServerAddress origin_server_address;
    // Where visitors are to connect to; none: as the remote proxy's own options say for the name.
    std::optional<Address> outside_address{};
    ProxyProtocol proxy_protocol = ProxyProtocol::off;
    ServiceRates bandwidth{};
    HealthCheck health_check{};

    friend bool operator==(const OriginService&, const OriginService&) = default;
};

} // namespace tunnel
