// Code that libraries load on first use, which would be too late.
#pragma once

namespace tunnel {

// Loads what name look-ups and OpenSSL load on first use, since no code can be loaded inside the
// sandbox. Nothing is sent to a network.
void load_code_needed_later();

} // namespace tunnel
