// How the origin proxy does, in its log.
#pragma once

#include "origin-proxy/management/status.hpp"

namespace tunnel {

// A line for the program, and one for each remote proxy and service, up to most_status_lines of
// both.
void log_status(const OriginStatus& status);

} // namespace tunnel
