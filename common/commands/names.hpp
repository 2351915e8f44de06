// The names that shells complete.
#pragma once

#include <string>

#include "common/commands/running_program.hpp"

namespace tunnel {

// Prints the names of a list, "services" or "origins", one a line. Nothing at all, and exit status
// 1, if the program does not answer within a second: somebody waits for the shell.
int print_names(const RunningProgram& running, const std::string& list);

} // namespace tunnel
