// The error that means: the user has to change the command line, the environment or a file.
#pragma once

#include <stdexcept>

namespace tunnel {

// What is wrong, a line for each problem. The program ends with 2, as it does for a wrong flag.
struct WrongConfiguration : std::runtime_error {
    using std::runtime_error::runtime_error;
};

} // namespace tunnel
