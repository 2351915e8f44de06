// What `origin-proxy status` and `reload` do.
#pragma once

#include "common/options/command.hpp"
#include "common/options/management_options.hpp"

namespace tunnel {

// Asks the origin proxy that runs; the exit code. The options have an address.
int ask_origin_proxy(const Command& command, const ManagementOptions& options);

} // namespace tunnel
