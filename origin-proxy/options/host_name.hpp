// The name of the machine.
#pragma once

#include <string>

namespace tunnel {

// In the form of a plain name; "origin" where the machine has none that can be written so.
std::string host_name();

} // namespace tunnel
