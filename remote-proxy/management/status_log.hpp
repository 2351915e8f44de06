// Logs the status of the remote proxy.
#pragma once

#include <cstddef>

#include "remote-proxy/management/status.hpp"

namespace tunnel {

// A line for the program, and one for each service and origin proxy, up to most_status_lines of
// each. `visitors` is the number of present visitors.
void log_status(const RemoteStatus& status, std::size_t visitors);

} // namespace tunnel
