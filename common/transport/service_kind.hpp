// What visitors of a service speak, and by which names they come.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tunnel {

enum class ServiceKind : std::uint8_t {
    tcp = 0,   // anything, at a port of its own
    tls = 1,   // TLS, routed by its server name; it ends at the origin server
    https = 2, // the same, but it ends at the remote proxy, which has a certificate
    http = 3,  // HTTP, routed by Host
};

// As they are written.
inline constexpr std::array<std::pair<std::string_view, ServiceKind>, 4> service_kinds{
    {{"tcp", ServiceKind::tcp},
     {"tls", ServiceKind::tls},
     {"https", ServiceKind::https},
     {"http", ServiceKind::http}}};

constexpr std::string_view name_of(ServiceKind kind)
{
    for (const auto& [name, each] : service_kinds) {
        if (each == kind)
            return name;
    }
    return "unknown"; // of a later version
}

// Visitors of both come at the same addresses, so that a name there belongs to one service.
constexpr bool share_addresses(ServiceKind one, ServiceKind other)
{
    return (one == ServiceKind::http) == (other == ServiceKind::http);
}

// The program reads what these visitors send as HTTP.
constexpr bool is_http_kind(ServiceKind kind)
{
    return kind == ServiceKind::https || kind == ServiceKind::http;
}

// The names under which visitors find a service that shares its port with others.
struct PublicNames {
    ServiceKind kind = ServiceKind::tcp;
    // As canonical_host_pattern() has them; none if the kind is tcp. An origin proxy may give one
    // label, behind which the remote proxy puts its domain, or "": any label that is free.
    std::vector<std::string> hosts{};

    // Else the service has a port of its own.
    bool given() const { return kind != ServiceKind::tcp; }

    friend bool operator==(const PublicNames&, const PublicNames&) = default;
};

// Of one service.
inline constexpr std::size_t most_hosts = 16;

} // namespace tunnel
