// What a certificate calls a host that people write in other ways too.
#pragma once

#include <string>
#include <string_view>

namespace tunnel {

// The host without what no certificate and no TLS server name has: the dot that ends a name
// ("example.com.", RFC 6066 section 3), and the zone of an IPv6 address ("fe80::1%eth0").
std::string certificate_host(std::string_view host);

} // namespace tunnel
