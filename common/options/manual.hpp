// Pages of the manual in mdoc(7), as man(1) shows them.
#pragma once

#include <string>

#include "common/options/usage.hpp"

namespace tunnel {

// PROGRAM(1): flags, commands and all that is around them.
std::string manual(const Usage& usage);

// PROGRAM.toml(5): the configuration file.
std::string manual_of_file(const Usage& usage);

} // namespace tunnel
