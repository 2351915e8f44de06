// All that remote-proxy can be given.
#pragma once

#include "common/options/command_line.hpp"
#include "remote-proxy/options/options.hpp"

namespace tunnel {

// Bound to `options`.
ProgramDescription describe(RemoteOptions& options);

} // namespace tunnel
