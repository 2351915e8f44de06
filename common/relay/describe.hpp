// How a visitor's end is told, by both programs.
#pragma once

#include <string>
#include <string_view>

#include "common/relay/relay.hpp"

namespace tunnel {

// The end in words, with the sides by their names: "reset by the visitor".
std::string describe(End end, std::string_view first, std::string_view second);

// The one log line about a visitor. `up` and `down` are bytes, seen from the visitor; `duration` is
// from its arrival. An empty `service` is left out: where there is but one, nobody needs its name.
void log_visitor_end(std::string_view visitor, std::uint64_t up, std::uint64_t down,
                     std::chrono::steady_clock::duration duration, std::string_view how,
                     std::string_view service = {});

} // namespace tunnel
