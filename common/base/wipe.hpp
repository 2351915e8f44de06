// Takes secrets out of memory.
#pragma once

#include <cstdint>
#include <span>

namespace tunnel {

// Overwrites a secret in memory; the compiler cannot optimise this away.
void wipe(std::span<std::uint8_t> bytes);

} // namespace tunnel
