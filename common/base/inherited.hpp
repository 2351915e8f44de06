// What this process has inherited from its parent.
#pragma once

#include <cstddef>

namespace tunnel {

// Call it first in main(), before anything is opened: a closed descriptor 0, 1 or 2 would be given
// to the next file or socket, and the log would be written into that. The stand-in behaves like a
// closed descriptor: reading and writing fail.
void occupy_standard_descriptors();

// Resets what would harm a server: blocked signals, signals raised by a write that would end or
// stop the process, and timers that would end it.
void reset_inherited_signals();

// The number of open descriptors from 3 up. They stay open, since an option may name one of them
// (/dev/fd/63), but they count towards the limit.
std::size_t inherited_descriptors();

} // namespace tunnel
