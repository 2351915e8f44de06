// What tells an origin server who its visitor is.
#pragma once

#include <string>

#include "common/protocol/frame.hpp"
#include "origin-proxy/options/service_options.hpp"

namespace tunnel {

// Goes to the origin server before everything else; empty if it wants nothing. `protocol` is what
// the options say; if they say nothing, the remote proxy may have asked for one.
std::string visitor_header(ProxyProtocol protocol, const Announce& announce);

} // namespace tunnel
