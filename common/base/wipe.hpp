// Takes secrets out of memory.
#pragma once

#include <cstdint>
#include <span>

namespace tunnel {

// Overwrites what must not be left in memory; the compiler does not leave it out.
void wipe(std::span<std::uint8_t> bytes);

} // namespace tunnel
