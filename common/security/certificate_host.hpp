// The form of a host name that certificates use.
#pragma once

#include <string>
#include <string_view>

namespace tunnel {

// Removes what neither certificates nor TLS server names have: the final dot of a name
// ("example.com.", RFC 6066 section 3), and the zone of an IPv6 address ("fe80::1%eth0").
std::string certificate_host(std::string_view host);

} // namespace tunnel
