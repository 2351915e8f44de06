// The commands of both programs that ask no program that runs.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace tunnel {

struct OwnCommand {
    std::string_view word;
    std::string_view argument; // as --help shows it; empty: none
    std::string_view meaning;
    bool takes_options = false; // all flags of the program
    bool prints_json = false;   // with --json
};

// In the order of --help.
std::span<const OwnCommand> own_commands();

// Null: there is none of this name.
const OwnCommand* own_command(std::string_view word);

// The command and its argument.
std::string form_of(const OwnCommand& command);

} // namespace tunnel
