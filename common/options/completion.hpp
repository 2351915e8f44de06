// Completion of a command line by shells: the text that each shell reads.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/options/usage.hpp"

namespace tunnel {

std::string bash_completion(const Usage& usage);
std::string zsh_completion(const Usage& usage);
std::string fish_completion(const Usage& usage);

// By the name of the shell, which must be one of these.
std::string completion(std::string_view shell, const Usage& usage);

// Where each shell looks for it, for one user.
std::vector<HelpEntry> completion_places(std::string_view program);

// The hidden command that the texts ask for names: `PROGRAM complete-names services`, or origins.
// One name a line, and nothing at all if nobody answers.
inline constexpr std::string_view command_for_names = "complete-names";

// Flags with a value that are handed on to that command: "--config", "-c" and so on.
std::vector<std::string> flags_to_hand_on(const Usage& usage);

// With each name in the text, such as "@PROGRAM@", replaced.
struct Replacement {
    std::string_view name;
    std::string by;
};

std::string replaced(std::string_view text, const std::vector<Replacement>& replacements);

// "remote_proxy", as functions of shells are called.
std::string identifier(std::string_view program);

} // namespace tunnel
