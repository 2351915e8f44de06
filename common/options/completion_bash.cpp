// Completion by bash. Names come from other machines, so they must never be words of `compgen -W`,
// which expands them: $(...) in a name would be run.
#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/options/completion.hpp"

namespace tunnel {

namespace {

// The words of the line are put together again, since bash splits them at ":" and "=".
constexpr std::string_view bash_script =
    R"--(# bash completion for @PROGRAM@; "@PROGRAM@ completion bash" prints it.

_@ID@_words()
{
    COMPREPLY=($(compgen -W "$1" -- "$cur"))
}

_@ID@_files()
{
    compopt -o filenames 2>/dev/null
    local IFS=$'\n'
    COMPREPLY=($(compgen "$1" -- "$cur"))
}

_@ID@_address()
{
    if [[ $cur == unix:* && $COMP_WORDBREAKS == *:* ]]; then
        cur=${cur#unix:}
        _@ID@_files -f
    elif [[ unix: == "$cur"* ]]; then
        compopt -o nospace 2>/dev/null
        COMPREPLY=(unix:)
    fi
}

# services, or origins, of the program that runs
_@ID@_names()
{
    local asked=() i name
    for ((i = 1; i < ${#words[@]} - 1; i++)); do
        case ${words[i]%%=*} in
            --https) asked+=(--https) ;;
            @HANDED@)
                asked+=("${words[i]/=\~\//=$HOME/}")
                if [[ ${words[i]} != *=* ]]; then
                    ((++i))
                    asked+=("${words[i]/#\~\//$HOME/}")
                fi
                ;;
        esac
    done
    while IFS= read -r name; do
        if [[ $name == "$cur"* ]]; then
            printf -v name %q "$name"
            COMPREPLY+=("$name")
        fi
    done < <("${words[0]/#\~\//$HOME/}" complete-names "$1" "${asked[@]}" 2>/dev/null </dev/null)
}

_@ID@()
{
    local words=() word rest=$COMP_LINE i
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if ((i > 0)) && [[ -n $word && $rest != [[:blank:]]* ]]; then
            words[-1]+=$word
        else
            words+=("$word")
        fi
        rest=${rest#*"$word"}
    done
    local cur=${words[-1]} flag= command= has_argument= flags
    COMPREPLY=()
    if ((${#words[@]} > 2)) && [[ ${words[1]} != -* ]]; then
        command=${words[1]}
        for ((i = 2; i < ${#words[@]} - 1; i++)); do
            case $command:${words[i]} in
                @VALUED@) ((++i)) ;;
                *:-*) ;;
                *) has_argument=1 ;;
            esac
        done
    fi
    if [[ $cur == --*=* ]]; then
        [[ $COMP_WORDBREAKS == *=* ]] || return
        flag=${cur%%=*}
        cur=${cur#*=}
    elif ((${#words[@]} > 2)) && [[ ${words[-2]} == -* ]]; then
        flag=${words[-2]}
    fi
    case $command:$flag in
@VALUES@    esac
    case $command in
@COMMANDS@        *) return ;;
    esac
    if [[ $cur == -* ]]; then
        _@ID@_words "$flags"
        return
    fi
    [[ -z $has_argument ]] || return
    case $command in
@ARGUMENTS@    esac
}

complete -F _@ID@ @PROGRAM@
)--";

std::string bash_id_of(const Usage& usage)
{
    return "_" + identifier(usage.program);
}

// What completes the word; empty: nothing does.
std::string bash_action_of(const Usage& usage, const UsageFlag& flag)
{
    const std::string id = bash_id_of(usage);
    if (!flag.choices.empty())
        return fmt::format("{}_words \"{}\"", id, fmt::join(flag.choices, " "));
    switch (flag.completed) {
    case Completed::file:
        return id + "_files -f";
    case Completed::folder:
        return id + "_files -d";
    case Completed::address:
        return id + "_address";
    case Completed::service:
        return id + "_names services";
    case Completed::origin_proxy:
        return id + "_names origins";
    case Completed::service_or_origin_proxy:
        return fmt::format(R"(if [[ " ${{words[*]}} " == *" --origin "* ]]; then
                {0}_names origins
            else
                {0}_names services
            fi)",
                           id);
    case Completed::nothing:
        break;
    }
    return {};
}

// As patterns of `case COMMAND:FLAG`.
std::string bash_patterns_of(const UsageFlag& flag, std::string_view command)
{
    std::string all = fmt::format("{}:{}", command, flag.name);
    if (!flag.short_name.empty())
        all += fmt::format(" | {}:{}", command, flag.short_name);
    return all;
}

std::string bash_values_of(const Usage& usage)
{
    std::string all;
    const auto add = [&](const UsageFlag& flag, std::string_view command) {
        const bool is_switch = flag.syntax.empty();
        if (is_switch && command == "*")
            return;
        const std::string action = bash_action_of(usage, flag);
        all += is_switch ? fmt::format("        {}) ;;\n", bash_patterns_of(flag, command))
                         : fmt::format("        {})\n{}            return\n            ;;\n",
                                       bash_patterns_of(flag, command),
                                       action.empty() ? "" : "            " + action + '\n');
    };
    for (const UsageCommand& command : usage.commands) {
        for (const UsageFlag& flag : command.flags)
            add(flag, command.word);
    }
    for (const UsageFlag& flag : usage.flags)
        add(flag, "*");
    return all;
}

std::string bash_valued(const Usage& usage)
{
    std::vector<std::string> all;
    for (const UsageCommand& command : usage.commands) {
        for (const UsageFlag& flag : command.flags) {
            if (!flag.syntax.empty())
                all.push_back(bash_patterns_of(flag, command.word));
        }
    }
    for (const UsageFlag& flag : usage.flags) {
        if (!flag.syntax.empty())
            all.push_back(bash_patterns_of(flag, "*"));
    }
    return fmt::format("{}", fmt::join(all, " | "));
}

std::string bash_names_of(const std::vector<UsageFlag>& flags,
                          const std::vector<UsageFlag>& more = {})
{
    std::vector<std::string> all;
    for (const auto* const list : {&flags, &more}) {
        for (const UsageFlag& flag : *list) {
            all.push_back(flag.name);
            if (!flag.short_name.empty())
                all.push_back(flag.short_name);
        }
    }
    return fmt::format("{}", fmt::join(all, " "));
}

std::string bash_flags_of_commands(const Usage& usage)
{
    std::string all =
        fmt::format("        '') flags=\"{}\" ;;\n", bash_names_of(flags_of(usage, nullptr)));
    for (const UsageCommand& command : usage.commands)
        all += fmt::format("        {}) flags=\"{}\" ;;\n", command.word,
                           bash_names_of(command.flags, flags_of(usage, &command)));
    return all;
}

std::string bash_arguments(const Usage& usage)
{
    std::vector<std::string> words;
    std::string of_commands;
    for (const UsageCommand& command : usage.commands) {
        words.push_back(command.word);
        for (const UsageFlag& argument : command.arguments)
            of_commands += fmt::format("        {})\n            {}\n            ;;\n",
                                       command.word, bash_action_of(usage, argument));
    }
    return fmt::format("        '')\n            if ((${{#words[@]}} == 2)); then\n"
                       "                {}_words \"{}\"\n            fi\n            ;;\n",
                       bash_id_of(usage), fmt::join(words, " ")) +
           of_commands;
}

} // namespace

std::string bash_completion(const Usage& usage)
{
    return replaced(bash_script,
                    {{"@ID@", identifier(usage.program)},
                     {"@PROGRAM@", usage.program},
                     {"@HANDED@", fmt::format("{}", fmt::join(flags_to_hand_on(usage), " | "))},
                     {"@VALUED@", bash_valued(usage)},
                     {"@VALUES@", bash_values_of(usage)},
                     {"@COMMANDS@", bash_flags_of_commands(usage)},
                     {"@ARGUMENTS@", bash_arguments(usage)}});
}

} // namespace tunnel
