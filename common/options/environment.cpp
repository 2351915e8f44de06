// Variables of the environment that were meant for the program, and mean nothing to it.
#include <algorithm>
#include <cctype>

#include <fmt/format.h>
#include <unistd.h>

#include "common/base/log.hpp"
#include "common/options/flag.hpp"
#include "common/options/nearest_name.hpp"

namespace tunnel {

namespace {

// What Kubernetes and Docker put into the environment for a service with the name of the program:
// SERVICE_HOST, SERVICE_PORT_WEB, PORT, PORT_9001_TCP_ADDR.
bool is_of_a_cluster(std::string_view rest)
{
    if (rest == "PORT" || rest == "SERVICE_HOST" || rest.starts_with("SERVICE_PORT"))
        return true;
    constexpr std::string_view port = "PORT_";
    return rest.starts_with(port) && rest.size() > port.size() &&
           std::isdigit(static_cast<unsigned char>(rest[port.size()])) != 0;
}

} // namespace

// "control-addr": REMOTE_PROXY_CONTROL_ADDR.
std::string CommandLine::variable_of(std::string_view option) const
{
    std::string variable = program_.name + '_' + std::string(option);
    for (char& c : variable)
        c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return variable;
}

std::vector<std::string> CommandLine::strange_variables() const
{
    const std::string prefix = variable_of("");
    std::vector<std::string> known{variable_of("config"), variable_of("secret")};
    for (const auto& flag : flags_)
        known.push_back(flag->variable);
    std::vector<std::string> warnings;
    for (const char* const* each = environ; each != nullptr && *each != nullptr; ++each) {
        const std::string_view entry = *each; // NAME=value, and the value may be a secret
        const std::string_view name = entry.substr(0, entry.find('='));
        if (std::ranges::find(known, name) != known.end())
            continue;
        const bool is_ours = name.starts_with(prefix);
        if (is_ours && is_of_a_cluster(name.substr(prefix.size())))
            continue;
        // A slip in the first half of the name, such as REMOTEPROXY_CONTROL_ADDR.
        const bool may_be_ours = name.size() > prefix.size() && name.starts_with(prefix[0]);
        if (!is_ours && !may_be_ours)
            continue;
        const std::string meant = did_you_mean(name, known);
        if (is_ours || !meant.empty())
            warnings.push_back(fmt::format("the variable {} of the environment has no meaning{}{}",
                                           log::escape(name), meant.empty() ? "" : ", ", meant));
    }
    return warnings;
}

} // namespace tunnel
