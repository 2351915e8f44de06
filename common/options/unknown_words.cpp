// Words of a command line that mean nothing, told with what was most likely meant.
#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/base/log.hpp"
#include "common/options/flag.hpp"
#include "common/options/nearest_name.hpp"
#include "common/options/other_program.hpp"
#include "common/options/own_commands.hpp"

namespace tunnel {

std::vector<std::string> CommandLine::flag_names() const
{
    std::vector<std::string> names{"--config", "--help", "--help-all", "--version"};
    for (const auto& flag : flags_)
        names.push_back(flag->name);
    return names;
}

std::vector<std::string> CommandLine::command_words() const
{
    std::vector<std::string> words;
    for (const OwnCommand& each : own_commands())
        words.emplace_back(each.word);
    for (const CommandForm& form : program_.commands) {
        if (!form.is_hidden)
            words.push_back(form.word);
    }
    std::ranges::sort(words);
    return words;
}

bool CommandLine::is_command(std::string_view word) const
{
    const auto words = command_words();
    return std::ranges::find(words, word) != words.end();
}

const CommandForm* CommandLine::form_of(std::string_view word) const
{
    const auto form = std::ranges::find(program_.commands, word, &CommandForm::word);
    return form == program_.commands.end() ? nullptr : &*form;
}

std::string CommandLine::unknown_command(const std::string& word) const
{
    const std::string quoted = fmt::format("\"{}\"", log::escape(word));
    const std::string_view other = only_program_with_command(word);
    if (!other.empty() && other != program_.name)
        return fmt::format("{} is a command of {}, and this is {}", word, other, program_.name);
    if (const std::string meant = did_you_mean(word, command_words()); !meant.empty())
        return fmt::format("there is no command {}, {}", quoted, meant);
    if (const auto names = flag_names(); std::ranges::find(names, "--" + word) != names.end())
        return fmt::format("there is no command {}, did you mean --{}?", quoted, word);
    if (word.ends_with(".toml") || word.find('/') != std::string::npos)
        return fmt::format("there is no command {}, did you mean --config {}?", quoted,
                           log::escape(word));
    return fmt::format("there is no command {}, expected a flag, or one of {}", quoted,
                       fmt::join(command_words(), ", "));
}

std::string CommandLine::unknown_flag(const std::string& name) const
{
    const std::string bare = name.substr(std::min(name.find_first_not_of('-'), name.size()));
    const std::string_view other = only_program_with_key(bare);
    if (!other.empty() && other != program_.name && name.starts_with("--"))
        return fmt::format("{} is a flag of {}, and this is {}", name, other, program_.name);
    std::vector<std::string> names;
    for (const std::string& each : flag_names())
        names.push_back(each.substr(2));
    if (const std::string meant = nearest(bare, names); !meant.empty())
        return fmt::format("there is no flag {}, did you mean --{}?", log::escape(name), meant);
    if (is_command(bare))
        return fmt::format("there is no flag {}, did you mean the command {}?", log::escape(name),
                           bare);
    return fmt::format("there is no flag {}", log::escape(name));
}

} // namespace tunnel
