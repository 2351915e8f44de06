// What `remote-proxy status` and the other commands do.
#pragma once

#include "common/options/command.hpp"
#include "common/options/management_options.hpp"

namespace tunnel {

// Asks the running remote proxy; returns the exit code. The options must have an address.
int ask_remote_proxy(const Command& command, const ManagementOptions& options);

} // namespace tunnel
