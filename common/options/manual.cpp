#include "common/options/manual.hpp"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/options/default_places.hpp"
#include "common/options/mdoc.hpp"
#include "common/options/other_program.hpp"

namespace tunnel {

namespace {

std::string variable_name(std::string text)
{
    for (char& c : text)
        c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return text;
}

std::string manual_item(const std::string& what, std::string_view meaning)
{
    return fmt::format(".It {}\n{}", what, mdoc_text(meaning));
}

// A sentence or more ends with a stop.
std::string with_stop(const std::string& text)
{
    return text.ends_with('.') ? text : text + '.';
}

std::string manual_item(const UsageFlag& flag)
{
    std::string what;
    if (!flag.short_name.empty())
        what = mdoc_flag(flag.short_name, flag.syntax) + " , ";
    std::string help = with_stop(flag.help);
    if (!flag.choices.empty())
        help += fmt::format(" One of {}.", fmt::join(flag.choices, ", "));
    return manual_item(what + mdoc_flag(flag.name, flag.syntax), help);
}

std::string manual_list(const std::string& items, std::string_view kind = "-tag -width Ds")
{
    return fmt::format(".Bl {}\n{}.El\n", kind, items);
}

std::string synopsis_section(const Usage& usage)
{
    std::string text = ".Sh SYNOPSIS\n.Nm\n.Op Fl -config Ar FILE\n.Op Ar flags\n";
    for (const UsageCommand& command : usage.commands) {
        text += fmt::format(".Nm\n.Cm {}\n", command.word);
        for (const UsageFlag& argument : command.arguments) {
            const bool is_optional = argument.name.starts_with('[');
            const std::string word =
                is_optional ? argument.name.substr(1, argument.name.size() - 2) : argument.name;
            text += fmt::format(".{} {}\n", is_optional ? "Op Ar" : "Ar", mdoc_word(word));
        }
        if (!command.flags.empty() || command.takes != UsageCommand::Takes::nothing)
            text += ".Op Ar flags\n";
    }
    return text;
}

std::string flags_section(const Usage& usage)
{
    std::vector<std::string> groups; // in the order of their first flags
    for (const UsageFlag& flag : usage.flags) {
        if (std::ranges::find(groups, flag.group) == groups.end())
            groups.push_back(flag.group);
    }
    std::string text = ".Sh OPTIONS\n";
    for (const std::string& group : groups) {
        std::string items;
        for (const UsageFlag& flag : usage.flags) {
            if (flag.group == group)
                items += manual_item(flag);
        }
        text += fmt::format(".Ss {}\n{}", group, manual_list(items));
    }
    return text;
}

std::string commands_section(const Usage& usage)
{
    std::string text =
        ".Sh COMMANDS\n" +
        mdoc_text("A command stands in the place of the first flag. Those that ask the program "
                  "that runs find it by its --management-addr, given as a flag, in the "
                  "environment or in the file of --config, or else by the sockets below FILES.");
    std::string items;
    for (const UsageCommand& command : usage.commands) {
        std::string what = "Cm " + command.word;
        for (const UsageFlag& argument : command.arguments)
            what += " Ar " + mdoc_word(argument.name);
        items += manual_item(what, with_stop(command.help) +
                                       (command.exit_help.empty() ? "" : " " + command.exit_help));
        std::string own;
        for (const UsageFlag& flag : command.flags)
            own += manual_item(flag);
        if (!own.empty())
            items += manual_list(own);
    }
    return text + manual_list(items);
}

std::string environment_section(const Usage& usage)
{
    const std::string& prefix = usage.variable_prefix;
    std::string items;
    items += manual_item("Ev " + prefix + "SECRET",
                         "The secret itself, in the place of --secret-file. It "
                         "is removed from the environment once it was read.");
    for (const UsageFlag& flag : usage.flags) {
        if (flag.group != "General" || flag.name == "--config")
            items += manual_item(fmt::format("Ev {}{}", prefix, variable_name(flag.name.substr(2))),
                                 fmt::format("As {}.", flag.name));
    }
    items += manual_item("Ev XDG_CONFIG_HOME , Ev HOME",
                         "Where the configuration of a user is, see FILES.");
    items += manual_item("Ev XDG_RUNTIME_DIR", "Where commands look for the program of a user.");
    items += manual_item("Ev COLUMNS",
                         "How wide the tables of commands are where there is no terminal.");
    return ".Sh ENVIRONMENT\n" +
           mdoc_text("Every flag may also be a variable. The command line wins over the "
                     "environment, and that over the file.") +
           manual_list(items);
}

std::string files_section(const Usage& usage)
{
    const std::string& name = usage.program;
    std::string items;
    items += manual_item(
        fmt::format("Pa $XDG_CONFIG_HOME/{0}/{0}.toml", name),
        fmt::format("Read if there is neither --config nor a flag or variable but those "
                    "of the log and the secret. Without the variable: "
                    "~/.config/{0}/{0}.toml.",
                    name));
    items += manual_item(fmt::format("Pa /etc/{0}/{0}.toml", name),
                         "The same, if the former is not there.");
    items += manual_item(
        fmt::format("Pa /run/{}/management.sock", name),
        "Where commands ask if nobody says where. The program itself listens only where "
        "--management-addr says so.");
    items += manual_item(fmt::format("Pa $XDG_RUNTIME_DIR/{}/management.sock", name),
                         "The same, for a program that a user runs.");
    return ".Sh FILES\n" + manual_list(items);
}

std::string signals_section()
{
    return ".Sh SIGNALS\n" +
           manual_list(
               manual_item(
                   "Dv SIGTERM , SIGINT",
                   "Stop: no new visitors come, and those who are connected may finish within "
                   "--grace-period. At once the second time.") +
               manual_item("Dv SIGHUP", "Read the configuration, secrets and certificates again.") +
               manual_item("Dv SIGUSR1", "Write the program's status into the log."));
}

std::string examples_section(const Usage& usage)
{
    std::string text = ".Sh EXAMPLES\n";
    for (const HelpEntry& each : usage.examples)
        text += fmt::format("{}.Pp\n.Dl {}\n.Pp\n", mdoc_text(each.meaning), each.what);
    return text.substr(0, text.size() - std::string_view(".Pp\n").size());
}

std::string see_also_section(const Usage& usage)
{
    const std::string_view other =
        usage.program == remote_proxy_name ? origin_proxy_name : remote_proxy_name;
    return fmt::format(".Sh SEE ALSO\n.Xr {} 1 ,\n.Xr {}.toml 5\n", other, usage.program);
}

} // namespace

std::string manual(const Usage& usage)
{
    std::string title = usage.program;
    std::ranges::transform(title, title.begin(), [](unsigned char c) { return std::toupper(c); });
    return mdoc_head(title, "1", usage.program, usage.purpose) + synopsis_section(usage) +
           ".Sh DESCRIPTION\n" + mdoc_text(usage.summary) + flags_section(usage) +
           commands_section(usage) + environment_section(usage) + files_section(usage) +
           signals_section() + ".Sh EXIT STATUS\n" +
           mdoc_text("0 after a clean stop, 1 after a failure, 2 after a wrong command line or "
                     "configuration.") +
           examples_section(usage) + see_also_section(usage);
}

} // namespace tunnel
