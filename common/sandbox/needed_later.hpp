// Code that libraries would load in the middle of their work, when it is too late.
#pragma once

namespace tunnel {

// Loads what name look-ups and OpenSSL load on their first use, since no code can be loaded inside
// the sandbox. Nothing is asked of a network.
void load_code_needed_later();

} // namespace tunnel
