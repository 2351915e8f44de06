// Which files may be opened.
#pragma once

#include <filesystem>
#include <system_error>
#include <vector>

namespace tunnel {

// Leaves this thread, and those that it starts, only the reading of `read_again` (as SandboxNeeds
// has it) and of what name look-ups read; no signal to another process either, where the kernel can
// forbid it. no_new_privs must be set.
std::error_code restrict_files(const std::vector<std::filesystem::path>& read_again);

} // namespace tunnel
