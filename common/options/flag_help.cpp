// --help, --help-all, and the help of a command.
#include <algorithm>

#include <fmt/format.h>

#include "common/options/completion.hpp"
#include "common/options/flag.hpp"
#include "common/options/own_commands.hpp"

namespace tunnel {

namespace {

constexpr std::string_view exit_statuses =
    "Exit status: 0 after a clean stop, 1 after a failure, 2 after a wrong command line or "
    "configuration.";

std::string paragraph(std::string_view text)
{
    return wrapped(text, help_columns, 0, 0) + '\n';
}

std::string what_of(const CommandForm& form)
{
    std::string text = form.word;
    for (const CommandForm::Part& part : form.parts)
        text += part.name.starts_with('-') ? "" : " " + part.name;
    return text;
}

std::string what_of(const Option& option)
{
    return option.is_switch() ? option.flag() : option.flag() + " " + option.value.syntax;
}

HelpEntry entry(const Option& option)
{
    std::string meaning = option.help;
    if (option.is(Trait::required))
        meaning += " (required)";
    else if (!option.value.if_absent.empty())
        meaning += fmt::format(" (default: {})", option.value.if_absent);
    return {what_of(option), meaning};
}

} // namespace

std::string CommandLine::help(bool all) const
{
    std::string text = paragraph(program_.summary) + "\nExamples:\n";
    for (const HelpEntry& each : program_.examples)
        text += fmt::format("  {}\n      {}\n", wrapped(each.meaning, help_columns, 2, 2),
                            wrapped(each.what, help_columns, 10, 6));
    std::vector<HelpEntry> words;
    for (const CommandForm& form : program_.commands) {
        if (!form.is_hidden)
            words.push_back({what_of(form), as_sentence(form.help)});
    }
    for (const OwnCommand& each : own_commands())
        words.push_back({tunnel::form_of(each), std::string(each.meaning)});
    text +=
        fmt::format("\nCommands, in the place of the first flag ({} help COMMAND has more):\n{}",
                    program_.name, help_table(words));

    std::vector<std::string> groups; // in the order of their first flags
    for (const auto& flag : flags_) {
        const std::string& group = flag->option.group;
        if (std::ranges::find(groups, group) == groups.end())
            groups.push_back(group);
    }
    const std::vector<HelpEntry> general{
        {"-c, --config FILE", "TOML file with flags, and with tables of its own"},
        {"-h, --help", "Print the most common flags"},
        {"--help-all", "Print all flags"},
        {"-v, -V, --version", "Print the version"}};
    if (all) {
        for (const std::string& group : groups) {
            std::vector<HelpEntry> entries;
            for (const auto& flag : flags_) {
                if (flag->option.group == group)
                    entries.push_back(entry(flag->option));
            }
            text += fmt::format("\n{}:\n{}", group, help_table(entries));
        }
        text += "\nGeneral:\n" + help_table(general);
    } else {
        std::vector<HelpEntry> entries;
        for (const auto& flag : flags_) {
            if (flag->option.is(Trait::common))
                entries.push_back(entry(flag->option));
        }
        entries.insert(entries.end(), general.begin(), general.end());
        text += fmt::format("\nCommon flags ({} --help-all shows all {}):\n{}", program_.name,
                            flags_.size() + general.size(), help_table(entries));
    }
    text += '\n' + paragraph(fmt::format(
                       "Every flag may also be an environment variable, {0} and its name in "
                       "capitals (--log-level: {0}LOG_LEVEL), or a key in the file of --config, by "
                       "its name without dashes. The command line wins over the environment, and "
                       "that over the file.",
                       variable_of("")));
    return text + paragraph(exit_statuses);
}

std::string CommandLine::help_of(std::string_view command) const
{
    if (const OwnCommand* const own = own_command(command)) {
        std::string text = fmt::format("Usage: {} {}\n\n{}", program_.name, tunnel::form_of(*own),
                                       paragraph(fmt::format("{}.", own->meaning)));
        if (own->takes_options)
            text += paragraph(fmt::format("Takes every flag that the program takes, see {} "
                                          "--help. FILE is short for --config FILE.",
                                          program_.name));
        if (own->prints_json)
            text += paragraph("With --json it prints JSON.");
        if (command == "completion")
            text += '\n' + paragraph("Where a shell looks for it, for one user:") +
                    help_table(completion_places(program_.name));
        return text;
    }
    const CommandForm& form = *form_of(command);
    std::string text = fmt::format("Usage: {} {} [FLAGS]\n\n{}\nFlags:\n", program_.name,
                                   what_of(form), paragraph(as_sentence(form.help) + "."));
    std::vector<HelpEntry> entries;
    for (const CommandForm::Part& part : form.parts) {
        const bool is_switch = std::holds_alternative<bool*>(part.value);
        const bool is_word = !part.name.starts_with('-');
        entries.push_back(
            {is_switch || is_word ? part.name : part.name + " " + part.syntax, part.help});
    }
    const bool starts = command == takeover_word;
    for (const auto& flag : flags_) {
        if (flag->option.is(Trait::for_commands) && !starts)
            entries.push_back({what_of(flag->option), flag->option.help});
    }
    if (!starts)
        entries.push_back({"-c, --config FILE", "Configuration file with the flags above"});
    text += help_table(entries);
    return text + '\n' +
           paragraph(starts ? fmt::format("Takes every flag that the program takes, see {} --help.",
                                          program_.name)
                            : "Asks the program that runs, at its --management-addr; that and the "
                              "token files are given here, in the environment, or in the file of "
                              "--config.") +
           paragraph(form.exit_help.empty()
                         ? "Exit status: 0 if it was done, 1 if not, 2 after a wrong command line "
                           "or configuration."
                         : form.exit_help);
}

} // namespace tunnel
