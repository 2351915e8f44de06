// All that can be written on a program's command line and in its file, as texts: what completions
// of shells and pages of the manual are made of.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/options/command.hpp"
#include "common/options/help.hpp"

namespace tunnel {

struct UsageFlag {
    std::string name;     // with its dashes; of the argument of a command and of a key without
    std::string syntax{}; // empty: it has no value
    std::string help{};
    std::string group{};
    std::vector<std::string> choices{}; // all values that there are; empty: too many to name
    Completed completed = Completed::nothing;
    bool is_list = false;     // it may be given several times
    bool asks = false;        // commands that ask a running program take it, too
    std::string short_name{}; // "-c"
};

struct UsageCommand {
    enum class Takes : std::uint8_t { nothing, what_asks, all_flags };

    std::string word;
    std::string form;                   // with its argument
    std::string help;                   // a sentence
    std::vector<UsageFlag> flags{};     // of its own
    Takes takes = Takes::nothing;       // of the program's flags
    std::vector<UsageFlag> arguments{}; // one at most
    std::string exit_help{};            // what its exit status means, if not the usual
};

struct UsageTable {
    std::string name; // of [NAME.X]
    std::vector<UsageFlag> keys;
};

struct Usage {
    std::string program;
    std::string purpose; // on one line
    std::string summary;
    std::string variable_prefix; // "REMOTE_PROXY_"
    std::vector<HelpEntry> examples;
    std::vector<UsageFlag> flags;
    std::vector<UsageCommand> commands;
    std::vector<UsageTable> tables;
};

// The flags that a command takes beside its own; those of the program for none.
std::vector<UsageFlag> flags_of(const Usage& usage, const UsageCommand* command);

// The beginning of a flag's help, up to where it goes into details.
std::string short_help(std::string_view help);

} // namespace tunnel
