// Completion by zsh, as a file in $fpath or to be sourced.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/options/completion.hpp"

namespace tunnel {

namespace {

constexpr std::string_view zsh_script = R"--(#compdef @PROGRAM@
# zsh completion for @PROGRAM@; "@PROGRAM@ completion zsh" prints it.

# services, or origins, of the program that runs
_@ID@_names() {
    local -a asked names
    local -i i
    for ((i = 2; i < CURRENT; i++)); do
        case ${words[i]%%=*} in
            --https) asked+=(--https) ;;
            @HANDED@)
                asked+=("${${(Q)words[i]}/=\~\//=$HOME/}")
                if [[ ${words[i]} != *=* ]]; then
                    ((++i))
                    asked+=("${${(Q)words[i]}/#\~\//$HOME/}")
                fi
                ;;
        esac
    done
    names=(${(f)"$(command $_@ID@_program complete-names $1 "${asked[@]}" 2>/dev/null </dev/null)"})
    local expl
    _wanted names expl "$1" compadd -a names
}

_@ID@_names_or_origins() {
    if (( ${words[(I)--origin]} )); then
        _@ID@_names origins
    else
        _@ID@_names services
    fi
}

_@ID@_address() {
    if compset -P 'unix:'; then
        _files
    else
        local expl
        _wanted addresses expl address compadd -S '' unix:
    fi
}

_@ID@() {
    local context state state_descr line ret=1
    local -A opt_args
    local _@ID@_program=${${(Q)words[1]}/#\~\//$HOME/}
    local -a commands
    commands=(
@WORDS@    )
    if (( CURRENT == 2 )) && [[ $PREFIX != -* ]]; then
        _describe -t commands command commands
        return
    fi
    if [[ $words[2] == -* ]]; then
        _arguments -C \
@FLAGS@            && ret=0
        return ret
    fi
    shift words
    (( CURRENT-- ))
    case $words[1] in
@COMMANDS@    esac
    return ret
}

if [[ $funcstack[1] == _@PROGRAM@ ]]; then
    _@ID@ "$@"
else
    compdef _@ID@ @PROGRAM@
fi
)--";

// In single quotes, with what _arguments and _describe look for as plain text.
std::string zsh_quoted(std::string_view text, std::string_view special)
{
    std::string all;
    for (const char c : text) {
        if (special.find(c) != std::string_view::npos)
            all += '\\';
        all += c == '\'' ? std::string("'\\''") : std::string(1, c);
    }
    return all;
}

std::string zsh_action_of(const Usage& usage, const UsageFlag& flag)
{
    // With a space in front it is called as it stands, without the flags that _files gets.
    const std::string id = " _" + identifier(usage.program);
    if (!flag.choices.empty())
        return fmt::format("({})", fmt::join(flag.choices, " "));
    switch (flag.completed) {
    case Completed::file:
        return "_files";
    case Completed::folder:
        return "_files -/";
    case Completed::address:
        return id + "_address";
    case Completed::service:
        return id + "_names services";
    case Completed::origin_proxy:
        return id + "_names origins";
    case Completed::service_or_origin_proxy:
        return id + "_names_or_origins";
    case Completed::nothing:
        break;
    }
    return " "; // a message alone
}

// A line for _arguments.
std::string zsh_spec_of(const Usage& usage, const UsageFlag& flag)
{
    const std::string help = zsh_quoted(short_help(flag.help), "[]\\");
    const std::string value =
        flag.syntax.empty()
            ? ""
            : fmt::format(":{}:{}", zsh_quoted(flag.syntax, ":[]\\"), zsh_action_of(usage, flag));
    const std::string_view sign = flag.syntax.empty() ? "" : "=";
    if (!flag.short_name.empty())
        return fmt::format("            '({0} {1})'{{{0},{1}{2}}}'[{3}]{4}' \\\n", flag.short_name,
                           flag.name, sign, help, value);
    return fmt::format("            '{}{}{}[{}]{}' \\\n", flag.is_list ? "*" : "", flag.name, sign,
                       help, value);
}

std::string zsh_specs_of(const Usage& usage, const UsageCommand* command)
{
    std::string all;
    if (command != nullptr) {
        for (const UsageFlag& flag : command->flags)
            all += zsh_spec_of(usage, flag);
    }
    for (const UsageFlag& flag : flags_of(usage, command))
        all += zsh_spec_of(usage, flag);
    if (command != nullptr) {
        for (const UsageFlag& argument : command->arguments)
            all += fmt::format("            ':{}:{}' \\\n", zsh_quoted(argument.name, ":[]\\"),
                               zsh_action_of(usage, argument));
    }
    return all;
}

} // namespace

std::string zsh_completion(const Usage& usage)
{
    std::string words;
    std::string commands;
    for (const UsageCommand& command : usage.commands) {
        words += fmt::format("        '{}:{}'\n", command.word,
                             zsh_quoted(short_help(command.help), ":\\"));
        commands += fmt::format(
            "        {})\n            _arguments -C \\\n{}            && ret=0\n            ;;\n",
            command.word, zsh_specs_of(usage, &command));
    }
    return replaced(zsh_script,
                    {{"@ID@", identifier(usage.program)},
                     {"@PROGRAM@", usage.program},
                     {"@HANDED@", fmt::format("{}", fmt::join(flags_to_hand_on(usage), " | "))},
                     {"@WORDS@", words},
                     {"@FLAGS@", zsh_specs_of(usage, nullptr)},
                     {"@COMMANDS@", commands}});
}

} // namespace tunnel
