// All that remote-proxy can be given, described: whatever reads or shows options begins here.
#pragma once

#include <vector>

#include "common/options/command_line.hpp"
#include "remote-proxy/options/options.hpp"

namespace tunnel {

ProgramHelp describe_remote_proxy();

// Bound to `options`, as are the tables and the commands.
OptionList describe(RemoteOptions& options);

// In the order in which they must be read: services are for origin proxies.
std::vector<OptionTable> describe_tables(RemoteOptions& options);

std::vector<CommandForm> describe_remote_commands(Command& command);

} // namespace tunnel
