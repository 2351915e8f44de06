// What start-up would refuse.
#pragma once

#include "origin-proxy/options/options.hpp"

namespace tunnel {

// For `origin-proxy check`: does all that the start does, but for what would disturb a program that
// runs. Afterwards this process may be another user, and in the sandbox. Throws WrongConfiguration
// with everything that is wrong.
void check_start(const OriginOptions& options);

} // namespace tunnel
