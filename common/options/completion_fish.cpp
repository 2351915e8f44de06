// Completion by fish.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/options/completion.hpp"

namespace tunnel {

namespace {

constexpr std::string_view fish_script =
    R"--(# fish completion for @PROGRAM@; "@PROGRAM@ completion fish" prints it.

# whether the command is one of these; '' is for none
function __@ID@_is
    set -l words (commandline -opc)
    set -l command ''
    if test (count $words) -gt 1; and not string match -q -- '-*' $words[2]
        set command $words[2]
    end
    contains -- "$command" $argv
end

function __@ID@_is_first
    test (count (commandline -opc)) -eq 1
end

# services, or origins, of the program that runs
function __@ID@_names
    set -l words (commandline -opc)
    set -l asked
    set -l takes_next 0
    for word in $words[2..-1]
        set -l path (string replace -r -- '(^|=)~/' "\$1$HOME/" $word)
        if test $takes_next -eq 1
            set -a asked $path
            set takes_next 0
            continue
        end
        switch (string replace -r -- '=.*' '' $word)
            case --https
                set -a asked $word
            case @HANDED@
                set -a asked $path
                string match -q -- '*=*' $word; or set takes_next 1
        end
    end
    $words[1] complete-names $argv[1] $asked 2>/dev/null </dev/null
end

function __@ID@_names_or_origins
    if contains -- --origin (commandline -opc)
        __@ID@_names origins
    else
        __@ID@_names services
    end
end

complete -c @PROGRAM@ -f
@LINES@)--";

std::string fish_in_single_quotes(std::string_view text)
{
    std::string all = "'";
    for (const char c : text) {
        if (c == '\'' || c == '\\')
            all += '\\';
        all += c;
    }
    return all + '\'';
}

// Flags of `complete` for what completes a value or argument.
std::string fish_action_of(const Usage& usage, const UsageFlag& flag)
{
    const std::string id = "__" + identifier(usage.program);
    if (!flag.choices.empty())
        return fmt::format(" -a '{}'", fmt::join(flag.choices, " "));
    switch (flag.completed) {
    case Completed::file:
        return " -F";
    case Completed::folder:
        return " -a '(__fish_complete_directories)'";
    case Completed::address:
        return " -a 'unix:'";
    case Completed::service:
        return fmt::format(" -a '({}_names services)'", id);
    case Completed::origin_proxy:
        return fmt::format(" -a '({}_names origins)'", id);
    case Completed::service_or_origin_proxy:
        return fmt::format(" -a '({}_names_or_origins)'", id);
    case Completed::nothing:
        break;
    }
    return {};
}

std::string fish_line_of(const Usage& usage, const UsageFlag& flag, std::string_view commands)
{
    std::string line = fmt::format("complete -c {0} -n \"__{1}_is {2}\" -l {3}", usage.program,
                                   identifier(usage.program), commands, flag.name.substr(2));
    if (!flag.short_name.empty())
        line += " -s " + flag.short_name.substr(1);
    if (!flag.syntax.empty())
        line += (flag.completed == Completed::file ? " -r" : " -x") + fish_action_of(usage, flag);
    return line + fmt::format(" -d {}\n", fish_in_single_quotes(short_help(flag.help)));
}

// The words of all commands that take the flag, beside those that have one of this name.
std::string fish_takers_of(const Usage& usage, const UsageFlag& flag)
{
    std::string all = "''";
    for (const UsageCommand& command : usage.commands) {
        for (const UsageFlag& each : flags_of(usage, &command)) {
            if (each.name == flag.name)
                all += " " + command.word;
        }
    }
    return all;
}

} // namespace

std::string fish_completion(const Usage& usage)
{
    std::string lines;
    for (const UsageCommand& command : usage.commands) {
        lines += fmt::format("complete -c {} -n __{}_is_first -a {} -d {}\n", usage.program,
                             identifier(usage.program), command.word,
                             fish_in_single_quotes(short_help(command.help)));
        for (const UsageFlag& argument : command.arguments)
            lines += fmt::format("complete -c {} -n \"__{}_is {}\"{}\n", usage.program,
                                 identifier(usage.program), command.word,
                                 fish_action_of(usage, argument));
        for (const UsageFlag& flag : command.flags)
            lines += fish_line_of(usage, flag, command.word);
    }
    for (const UsageFlag& flag : usage.flags)
        lines += fish_line_of(usage, flag, fish_takers_of(usage, flag));
    return replaced(fish_script,
                    {{"@ID@", identifier(usage.program)},
                     {"@PROGRAM@", usage.program},
                     {"@HANDED@", fmt::format("{}", fmt::join(flags_to_hand_on(usage), " "))},
                     {"@LINES@", lines}});
}

} // namespace tunnel
