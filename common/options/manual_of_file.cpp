// The manual of the configuration file.
#include <algorithm>
#include <cctype>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/options/manual.hpp"
#include "common/options/mdoc.hpp"

namespace tunnel {

namespace {

std::string key_item(const UsageFlag& key, std::string_view name)
{
    std::string help = key.help.ends_with('.') ? key.help : key.help + '.';
    if (!key.choices.empty())
        help += fmt::format(" One of {}.", fmt::join(key.choices, ", "));
    if (key.is_list)
        help += " May be a list.";
    const std::string syntax = key.syntax.empty() ? "true|false" : key.syntax;
    return fmt::format(".It Ic {} No = Ar {}\n{}", name, mdoc_word(syntax), mdoc_text(help));
}

} // namespace

std::string manual_of_file(const Usage& usage)
{
    const std::string name = usage.program + ".toml";
    std::string title = name;
    std::ranges::transform(title, title.begin(), [](unsigned char c) { return std::toupper(c); });
    std::string text =
        mdoc_head(title, "5", name, "configuration of " + usage.program) + ".Sh DESCRIPTION\n" +
        mdoc_text("A file in TOML. Texts stand in quotes; whole numbers and true and false do "
                  "not need them. Names of files are relative to the folder in which the program "
                  "is started. include = [\"conf.d/*.toml\"] reads further files, by names "
                  "relative to this one.") +
        ".Pp\n" +
        mdoc_text(fmt::format("\"{0} check FILE\" says what is wrong with a file, and \"{0} "
                              "print-config FILE\" prints what is in force.",
                              usage.program)) +
        ".Sh KEYS\n" +
        mdoc_text("Each is a flag as well, with two dashes in front, and a variable of the "
                  "environment; both win over the file.") +
        ".Bl -tag -width Ds\n";
    for (const UsageFlag& flag : usage.flags) {
        if (flag.group != "General")
            text += key_item(flag, flag.name.substr(2));
    }
    text += ".El\n.Sh TABLES\n";
    for (const UsageTable& table : usage.tables) {
        text += fmt::format(".Ss [{}.NAME]\n.Bl -tag -width Ds\n", table.name);
        for (const UsageFlag& key : table.keys)
            text += key_item(key, key.name);
        text += ".El\n";
    }
    return text +
           fmt::format(".Sh FILES\n.Bl -tag -width Ds\n.It Pa /etc/{0}/{0}.toml\n{1}.El\n"
                       ".Sh SEE ALSO\n.Xr {0} 1\n",
                       usage.program,
                       mdoc_text(fmt::format("Read where nobody says what to do, see FILES in the "
                                             "manual of {}.",
                                             usage.program)));
}

} // namespace tunnel
