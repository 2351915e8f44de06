// Which system calls may be made.
#pragma once

#include <system_error>

#include "common/sandbox/sandbox.hpp"

namespace tunnel {

// Leaves this thread, those that it starts, and all others of the process only the system calls
// that the proxies make, and those that `needs` asks for. no_new_privs must be set.
std::error_code restrict_system_calls(const SandboxNeeds& needs);

// Leaves them what reading files, or connecting to Unix sockets, needs, and answering through the
// descriptors that are there.
std::error_code restrict_system_calls_to_reading();
std::error_code restrict_system_calls_to_dialing();

} // namespace tunnel
