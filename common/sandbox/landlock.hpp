// Which files may be opened.
#pragma once

#include <system_error>

#include "common/sandbox/sandbox.hpp"

namespace tunnel {

// Leaves this thread, and those that it starts, only what `needs` says and the reading of what name
// look-ups read; no signal to another process either, where the kernel can forbid it. no_new_privs
// must be set.
std::error_code restrict_files(const SandboxNeeds& needs);

// Leaves them the reading of any file, or nothing at all.
std::error_code restrict_files_to_reading();
std::error_code restrict_files_to_none();

} // namespace tunnel
