// Prints what a command has found out: once, or again and again.
#pragma once

#include <functional>
#include <string>

#include "common/management/command.hpp"

namespace tunnel {

// `find_out` answers what is printed, or throws std::runtime_error that says on one line why there
// is nothing. The exit code: 1 in that case. With --watch this goes on until SIGINT or SIGTERM ends
// the process with 0; what cannot be found out is said, and tried again.
int show(const Command& command, const std::string& program,
         const std::function<std::string()>& find_out);

} // namespace tunnel
