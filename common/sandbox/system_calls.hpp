// Which system calls may be made.
#pragma once

#include <system_error>

#include "common/sandbox/sandbox.hpp"

namespace tunnel {

// Limits this thread, those that it starts, and all others of the process to the system calls that
// the proxies make and those in `needs`. no_new_privs must be set.
std::error_code restrict_system_calls(const SandboxNeeds& needs);

// Limits them to what reading files, or connecting to Unix sockets, needs, and answering on
// existing descriptors.
std::error_code restrict_system_calls_to_reading();
std::error_code restrict_system_calls_to_dialing();

} // namespace tunnel
