// How a process divides the descriptors that it may open, so that visitors never take those that
// serving them needs.
#pragma once

#include <cstddef>

#include "common/relay/relay.hpp"

namespace tunnel {

// Data connections that may wait for a visitor, of a process that may open `limit` descriptors.
std::size_t parking_capacity(std::size_t limit);

// What is left of `limit` beside the program's own descriptors and the relay's.
std::size_t usable_descriptors(std::size_t limit, const RelayOptions& relay);

} // namespace tunnel
