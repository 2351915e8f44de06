#include "common/options/usage.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "common/options/flag.hpp"
#include "common/options/own_commands.hpp"

namespace tunnel {

namespace {

constexpr std::string_view general = "General";

Completed what_completes(const Option& option)
{
    const std::string& syntax = option.value.syntax;
    if (syntax == "FOLDER")
        return Completed::folder;
    if (syntax == "FILE" || option.value.file != ValueReader::File::none)
        return Completed::file;
    return syntax.find("unix:PATH") == std::string::npos ? Completed::nothing : Completed::address;
}

std::string help_with_default(const Option& option)
{
    if (option.is(Trait::required))
        return option.help + " (required)";
    return option.value.if_absent.empty()
               ? option.help
               : fmt::format("{} (default: {})", option.help, option.value.if_absent);
}

UsageFlag usage_of(const Option& option, bool is_key)
{
    UsageFlag flag{is_key ? option.name : option.flag(), option.value.syntax};
    if (is_key && option.is_switch())
        flag.syntax = "true|false";
    flag.help = help_with_default(option);
    flag.group = option.group;
    flag.choices = option.value.choices;
    flag.completed = what_completes(option);
    flag.is_list = option.value.is_list;
    flag.asks = option.is(Trait::for_commands);
    return flag;
}

UsageFlag usage_of(const CommandForm::Part& part)
{
    UsageFlag flag{part.name};
    if (!std::holds_alternative<bool*>(part.value))
        flag.syntax = part.syntax;
    flag.help = part.help;
    flag.completed = part.completed;
    return flag;
}

std::vector<UsageFlag> general_flags()
{
    UsageFlag config{"--config", "FILE", "TOML file with flags, and with tables of its own",
                     std::string(general)};
    config.completed = Completed::file;
    config.asks = true;
    config.short_name = "-c";
    UsageFlag help{"--help", {}, "Print the most common flags", std::string(general)};
    help.short_name = "-h";
    UsageFlag version{"--version", {}, "Print the version", std::string(general)};
    version.short_name = "-v";
    return {config, help, {"--help-all", {}, "Print all flags", std::string(general)}, version};
}

UsageCommand usage_of(const CommandForm& form)
{
    UsageCommand command{form.word, form.word, as_sentence(form.help)};
    command.takes = form.word == takeover_word ? UsageCommand::Takes::all_flags
                                               : UsageCommand::Takes::what_asks;
    command.exit_help = form.exit_help;
    for (const CommandForm::Part& part : form.parts) {
        const bool is_flag = part.name.starts_with('-');
        (is_flag ? command.flags : command.arguments).push_back(usage_of(part));
        if (!is_flag)
            command.form += " " + part.name;
    }
    return command;
}

UsageCommand usage_of(const OwnCommand& own)
{
    UsageCommand command{std::string(own.word), form_of(own), std::string(own.meaning)};
    if (own.takes_options)
        command.takes = UsageCommand::Takes::all_flags;
    if (own.prints_json)
        command.flags.push_back({"--json", {}, "Print JSON"});
    if (own.argument.empty() || own.argument.starts_with('>'))
        return command;
    UsageFlag argument{std::string(own.argument), std::string(own.argument), command.help};
    if (own.argument == "[FILE]")
        argument.completed = Completed::file;
    else if (own.argument == "[config]")
        argument.choices = {"config"};
    else if (own.word == "completion")
        argument.choices = {"bash", "zsh", "fish"};
    command.arguments.push_back(std::move(argument));
    return command;
}

} // namespace

std::vector<UsageFlag> flags_of(const Usage& usage, const UsageCommand* command)
{
    if (command == nullptr)
        return usage.flags;
    std::vector<UsageFlag> all;
    const auto is_own = [command](const UsageFlag& flag) {
        return std::ranges::find(command->flags, flag.name, &UsageFlag::name) !=
               command->flags.end();
    };
    for (const UsageFlag& flag : usage.flags) {
        const bool is_taken = flag.name == "--help" ||
                              command->takes == UsageCommand::Takes::all_flags ||
                              (command->takes == UsageCommand::Takes::what_asks && flag.asks);
        if (is_taken && !is_own(flag))
            all.push_back(flag);
    }
    return all;
}

std::string short_help(std::string_view help)
{
    std::size_t end = help.size();
    for (const std::string_view each : {". ", "; ", ": ", " ("})
        end = std::min(end, help.find(each));
    return std::string(help.substr(0, end));
}

Usage CommandLine::usage() const
{
    Usage all{program_.name,
              program_.purpose,
              program_.summary,
              variable_of(""),
              program_.examples,
              {},
              {},
              {}};
    for (const auto& flag : flags_)
        all.flags.push_back(usage_of(flag->option, false));
    for (UsageFlag& each : general_flags())
        all.flags.push_back(std::move(each));
    for (const CommandForm& form : program_.commands) {
        if (!form.is_hidden)
            all.commands.push_back(usage_of(form));
    }
    for (const OwnCommand& each : own_commands())
        all.commands.push_back(usage_of(each));
    std::vector<std::string> words;
    for (const UsageCommand& each : all.commands)
        words.push_back(each.word);
    for (UsageCommand& each : all.commands) {
        if (each.word == "help")
            each.arguments.at(0).choices = words;
    }
    for (const OptionTable& table : program_.tables) {
        UsageTable& made = all.tables.emplace_back(UsageTable{table.name, {}});
        for (const Option& key : table.keys) {
            if (!key.is(Trait::flag_only))
                made.keys.push_back(usage_of(key, true));
        }
    }
    return all;
}

} // namespace tunnel
