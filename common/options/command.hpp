// What is wanted of a program that runs already, by a word in the place of the first flag.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace tunnel {

struct ManagementOptions;

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
    bool background = false;   // of takeover
    bool https = false;        // it is asked over HTTPS
    std::string authority{};   // PEM: of its certificate
    std::string certificate{}; // PEM: of the one who asks
    std::string key{};         // of that
    bool alive = false;        // of `status`: an answer is enough

    bool is_given() const { return !word.empty(); }

    // The program starts, in the place of one that runs.
    bool takes_over() const { return word == takeover_word; }

    // It answers and ends; else the program starts.
    bool asks() const { return is_given() && !takes_over(); }

    bool wants_https() const { return https || !authority.empty() || !certificate.empty(); }
};

// What the exit status of `status` means: enough for the health check of a container.
inline constexpr std::string_view exit_of_status =
    "Exit status: 0 if the program is ready, 1 if it is not or cannot be asked, 2 after a wrong "
    "command line or configuration. With --alive 0 also if it is not ready.";

// For a supervisor that restarts what fails: an origin proxy is not ready while its remote proxy is
// away, and a restart would not help.
inline constexpr std::string_view help_of_alive =
    "Exit with 0 whenever the program answers, ready or not: for a check that restarts it";

// What completes a word in a shell.
enum class Completed : std::uint8_t {
    nothing,
    file,
    folder,
    address, // of a socket file or a host
    service,
    origin_proxy,
    service_or_origin_proxy, // with --origin
};

// How one is written, for CommandLine.
struct CommandForm {
    // A flag with a text or without one; or, without dashes, a word that must be there.
    struct Part {
        std::string name;
        std::string help;
        std::variant<bool*, std::string*> value;
        std::string syntax = "NAME"; // of the text
        Completed completed = Completed::nothing;
    };

    std::string word;
    std::string help;
    std::vector<Part> parts;
    std::string exit_help{}; // what its exit status means, if not the usual
    bool is_hidden = false;  // for programs, which know of it
};

// The one that both programs have for an upgrade.
CommandForm takeover_form(Command& command);

// Why it cannot be asked over HTTPS as the command says, in words that say what to do; empty: it
// can, or is not to be.
std::string objection_to_https(const Command& command, const ManagementOptions& management);

// The flags of every command that asks a program which answers over HTTPS.
std::vector<CommandForm::Part> https_parts(Command& command);

} // namespace tunnel
