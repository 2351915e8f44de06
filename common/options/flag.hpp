// What CommandLine knows of one flag.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <CLI/Option.hpp>

#include "common/options/options.hpp"

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
    std::string type{}; // "HOST:PORT"; empty: it is a switch
    std::string help{};
    std::string group{};
    bool is_file = false;
    bool reloads = false; // a reload applies it

    // Its name in the configuration file.
    std::string key() const { return name.substr(2); }

    bool on_command_line() const { return option->count() > 0; } // or in the environment

    bool is_given() const { return on_command_line() || in_file; }

    bool has_no_text() const { return if_absent.empty() || if_absent == "no limit"; }
};

// A command line, with each flag and its value in one word.
struct CommandLine::Words {
    std::string command{}; // in the place of the first flag
    bool help = false;
    bool help_all = false;
    bool version = false;
    bool json = false;               // of check and the like, which ask nobody
    std::vector<std::string> rest{}; // what CLI11 reads, the program's name first
};

} // namespace tunnel
