// An error in the command line, the environment or a file, for the user to correct.
#pragma once

#include <stdexcept>

namespace tunnel {

// One line for each problem. The program exits with 2, as for a wrong flag.
struct WrongConfiguration : std::runtime_error {
    using std::runtime_error::runtime_error;
};

} // namespace tunnel
