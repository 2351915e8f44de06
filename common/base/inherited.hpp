// What the process that started this one has left it.
#pragma once

#include <cstddef>

namespace tunnel {

// First of all in main(), before anything is opened: a descriptor 0, 1 or 2 that is closed would be
// given to the next file or socket, and the log would be written into it. What stands there
// afterwards behaves as if it were closed: reading and writing fail.
void occupy_standard_descriptors();

// Takes back what would harm a server: signals that are blocked or, for those that a write may
// raise, end or stop the process; timers that would end it.
void reset_inherited_signals();

// Descriptors from 3 up that are open now. They stay open, since a file of the options may be one
// of them (/dev/fd/63), but they count.
std::size_t inherited_descriptors();

} // namespace tunnel
