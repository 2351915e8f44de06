#include "common/options/own_commands.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace tunnel {

namespace {

constexpr std::array<OwnCommand, 7> all_own_commands{
    {{"check", "[FILE]",
      "Print \"ok\", or everything that is wrong with flags, environment and files", true, true},
     {"print-config", "[FILE]",
      "Print the effective options as a configuration file, with secrets masked", true, true},
     {"gen-secret", "> FILE", "Make a secret for --secret-file of both programs", false, true},
     {"completion", "bash|zsh|fish", "Print what makes a shell complete flags, commands and names"},
     {"man", "[config]",
      "Print the page of the manual, for man -l -; with config, the one about the configuration "
      "file"},
     {"help", "[COMMAND]", "Print this text, or the one of a command"},
     {"version", "", "Print the version", false, true}}};

} // namespace

std::span<const OwnCommand> own_commands()
{
    return all_own_commands;
}

const OwnCommand* own_command(std::string_view word)
{
    const auto* const found = std::ranges::find(all_own_commands, word, &OwnCommand::word);
    return found == all_own_commands.end() ? nullptr : found;
}

std::string form_of(const OwnCommand& command)
{
    return fmt::format("{}{}{}", command.word, command.argument.empty() ? "" : " ",
                       command.argument);
}

} // namespace tunnel
