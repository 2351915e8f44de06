// How a visitor's end is told, by both programs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/relay/relay.hpp"

namespace tunnel {

// The end in words, with the sides by their names: "reset by the visitor".
std::string describe(End end, std::string_view first, std::string_view second);

// Whether somebody on the origin's side should look at why a visitor was not served.
enum class Blame : std::uint8_t { nobody, origin_side };

// The one log line about each visitor. It is information, and now and then a warning if it is to
// be looked at. `up` and `down` are bytes, seen from the visitor; `duration` is
// from its arrival. An empty `service` is left out: where there is but one, nobody needs its name.
void log_visitor_end(std::string_view visitor, std::uint64_t up, std::uint64_t down,
                     std::chrono::steady_clock::duration duration, std::string_view how,
                     std::string_view service = {}, Blame blame = Blame::nobody);

} // namespace tunnel
