// How a stream begins.
#pragma once

#include <optional>

#include "common/relay/relay.hpp"
#include "common/transport/channel.hpp"

namespace tunnel {

// What the guard says of the stream's first bytes, as far as they are there; they stay there. A
// stream that has ended undecided is allowed. nullopt: the connection has failed.
std::optional<Beginning> look_at_beginning(Channel& from, Guard guard);

} // namespace tunnel
