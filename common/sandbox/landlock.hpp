// Which files may be opened.
#pragma once

#include <system_error>

#include "common/sandbox/sandbox.hpp"

namespace tunnel {

// Limits this thread, and those that it starts, to the files in `needs` and those of name look-ups;
// also forbids signals to other processes where the kernel can. no_new_privs must be set.
std::error_code restrict_files(const SandboxNeeds& needs);

// Limits them to reading files, or forbids files altogether.
std::error_code restrict_files_to_reading();
std::error_code restrict_files_to_none();

} // namespace tunnel
