// Prints what a command has found out: once, or again and again.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "common/options/command.hpp"

namespace tunnel {

// What was found out.
struct CommandResult {
    std::string text;
    int exit_code = 0;
};

// As many as a line of the terminal has that is printed on, or as COLUMNS says where it is none.
// Without either there is no limit.
std::size_t columns_of_output();

// The sentence and its end of line, broken where a line of that output ends.
std::string fits(const std::string& sentence);

// `find_out` answers what is printed, or throws std::runtime_error that says on one line why there
// is nothing; as JSON, with --json. The exit code is that of the finding, and otherwise 2 for a
// WrongConfiguration and 1 for all else. With --watch this goes on until SIGINT or SIGTERM ends the
// process with 0; what cannot be found out is said, and tried again.
int show(const Command& command, const std::string& program,
         const std::function<CommandResult()>& find_out);

} // namespace tunnel
