// What `PROGRAM reload` prints.
#pragma once

#include <string>

#include "common/commands/running_program.hpp"
#include "common/options/command.hpp"

namespace tunnel {

// Asks the program to reload, and tells which options have changed and which of them need a
// restart. Throws QueryError with the problem.
std::string reload(const Command& command, const RunningProgram& running);

} // namespace tunnel
