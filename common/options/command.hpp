// What is wanted of a program that runs already, by a word in the place of the first flag.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace tunnel {

inline constexpr std::string_view takeover_word = "takeover";

// As the command line has it.
struct Command {
    std::string word{}; // "status"; empty: nothing is asked, the program is to start
    std::string name{}; // whom it is about
    std::string service{};
    std::string origin{};
    bool is_origin = false; // `name` is that of an origin proxy
    bool json = false;
    bool watch = false;
    bool background = false; // of takeover

    bool is_given() const { return !word.empty(); }

    // The program starts, in the place of one that runs.
    bool takes_over() const { return word == takeover_word; }

    // It answers and ends; else the program starts.
    bool asks() const { return is_given() && !takes_over(); }
};

// What the exit status of `status` means: enough for the health check of a container.
inline constexpr std::string_view exit_of_status =
    "Exit status: 0 if the program is ready, 1 if it is not or cannot be asked, 2 after a wrong "
    "command line or configuration.";

// How one is written, for CommandLine.
struct CommandForm {
    // A flag with a text or without one; or, without dashes, a word that must be there.
    struct Part {
        std::string name;
        std::string help;
        std::variant<bool*, std::string*> value;
    };

    std::string word;
    std::string help;
    std::vector<Part> parts;
    std::string exit_help{}; // what its exit status means, if not the usual
};

// The one that both programs have for an upgrade.
CommandForm takeover_form(Command& command);

} // namespace tunnel
