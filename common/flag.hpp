// What CommandLine knows of one flag.
#pragma once

#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include <CLI/Option.hpp>

#include "common/options.hpp"

namespace tunnel {

struct CommandLine::Flag {
    std::string name;      // "--control-addr"
    std::string variable;  // of the environment
    std::string if_absent; // what is shown as its default; no text for read() if it has_no_text()
    bool required = false;
    bool several = false;                           // it may be given more than once, and all count
    std::function<void(const std::string&)> read{}; // throws std::invalid_argument
    bool* is_on = nullptr;                          // of a switch, which has no text
    CLI::Option* option = nullptr;
    std::vector<std::string> texts{}; // that were read
    bool in_file = false;

    // Its name in the configuration file.
    std::string key() const { return name.substr(2); }

    bool on_command_line() const { return option->count() > 0; } // or in the environment

    bool is_given() const { return on_command_line() || in_file; }

    bool has_no_text() const { return if_absent.empty() || if_absent == "no limit"; }
};

// Everything that is wrong in the configuration, a line for each.
struct WrongConfiguration : std::runtime_error {
    using std::runtime_error::runtime_error;
};

} // namespace tunnel
