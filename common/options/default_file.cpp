// The configuration file that counts where nobody named one.
#include <algorithm>
#include <cerrno>

#include <fmt/format.h>
#include <unistd.h>

#include "common/base/log.hpp"
#include "common/options/default_places.hpp"
#include "common/options/flag.hpp"

namespace tunnel {

// Variables of the environment count as flags do; a secret among them does nothing by itself.
bool CommandLine::says_what_to_do() const
{
    return std::ranges::any_of(flags_, [](const auto& flag) {
        return flag->on_command_line() && !flag->option.name.starts_with("log-");
    });
}

// A reload stays with what the start has found: else a file that comes later would change a program
// that was started without it.
void CommandLine::choose_file()
{
    if (!config_.empty() || says_what_to_do())
        return;
    if (!again_)
        common_.default_file = first_that_exists(default_configurations(program_.name));
    config_ = common_.default_file.string();
}

std::string CommandLine::hint_at_default_file(const std::string& problem) const
{
    if (!config_.empty() || problem.find(" is required") == std::string::npos)
        return {};
    const std::string file = first_that_exists(default_configurations(program_.name)).string();
    return file.empty() ? file
                        : fmt::format("; {0} is not read where there are flags: name it by "
                                      "--config {0}",
                                      log::escape(file));
}

// For somebody who named no file, and cannot read the one that was found.
std::string CommandLine::advice_on_default_file() const
{
    const std::filesystem::path& default_file = common_.default_file;
    if (default_file.empty() || ::access(default_file.c_str(), R_OK) == 0 || errno != EACCES)
        return {};
    return "\nThis is the default file, read because no flag says what to do: start as a user who "
           "may read it, or give --config or flags";
}

} // namespace tunnel
