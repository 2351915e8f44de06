// All that origin-proxy can be given, described: whatever reads or shows options begins here.
#pragma once

#include <vector>

#include "common/options/command_line.hpp"
#include "origin-proxy/options/options.hpp"

namespace tunnel {

ProgramHelp describe_origin_proxy();

// Bound to `options`, as are the tables and the commands.
OptionList describe(OriginOptions& options);

std::vector<OptionTable> describe_tables(OriginOptions& options);

std::vector<CommandForm> describe_origin_commands(Command& command);

} // namespace tunnel
