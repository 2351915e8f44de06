// Which system calls may be made.
#pragma once

#include <system_error>

namespace tunnel {

// Leaves this thread, those that it starts, and all others of the process only the system calls
// that the proxies make. no_new_privs must be set.
std::error_code restrict_system_calls();

} // namespace tunnel
