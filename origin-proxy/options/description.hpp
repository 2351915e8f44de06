// All that origin-proxy can be given.
#pragma once

#include "common/options/command_line.hpp"
#include "origin-proxy/options/options.hpp"

namespace tunnel {

// Bound to `options`.
ProgramDescription describe(OriginOptions& options);

} // namespace tunnel
