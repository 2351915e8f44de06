// What CommandLine knows of one option of the program.
#pragma once

#include <string>
#include <vector>

#include <CLI/Option.hpp>

#include "common/options/command_line.hpp"

namespace tunnel {

struct CommandLine::Flag {
    Option option;        // whose reader also keeps the texts
    std::string name;     // "--control-addr"
    std::string variable; // of the environment
    CLI::Option* given = nullptr;
    std::vector<std::string> texts{}; // that were read
    bool in_file = false;

    bool on_command_line() const { return given->count() > 0; } // or in the environment

    bool is_given() const { return on_command_line() || in_file; }
};

// A command line, with each flag and its value in one word.
struct CommandLine::Words {
    std::string command{};  // in the place of the first flag
    std::string argument{}; // of `completion` and `man`
    bool help = false;
    bool help_all = false;
    bool version = false;
    bool json = false;               // of check and the like, which ask nobody
    std::vector<std::string> rest{}; // what CLI11 reads, the program's name first
};

} // namespace tunnel
