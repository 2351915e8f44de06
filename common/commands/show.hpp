// Prints the output of a command once, or repeatedly.
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

// The width of the terminal, or COLUMNS if the output is no terminal; without either, no limit.
std::size_t columns_of_output();

// The sentence and its end of line, broken where a line of that output ends.
std::string fits(const std::string& sentence);

// `find_out` returns what to print, or throws std::runtime_error with the reason on one line; as
// JSON with --json. The exit code is that of the finding; 2 for a WrongConfiguration and 1 for any
// other error. With --watch this repeats until SIGINT or SIGTERM ends the process with 0; errors
// are printed, and the next try follows.
int show(const Command& command, const std::string& program,
         const std::function<CommandResult()>& find_out);

} // namespace tunnel
