// How a visitor's end is told, by both programs.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/base/code.hpp"
#include "common/relay/relay.hpp"

namespace tunnel {

// The sides of a pair, as a program calls them.
struct Sides {
    std::string_view first;
    Code first_reset;
    std::string_view second;
    Code second_reset;
};

inline constexpr Sides sides_of_remote{"visitor", Code::visitor_reset, "origin side",
                                       Code::origin_side_reset};
inline constexpr Sides sides_of_origin{"origin server", Code::origin_server_reset, "remote side",
                                       Code::remote_side_reset};

// "reset by the visitor".
Reason describe(End end, const Sides& sides);

// Whether somebody on the origin's side should look at why a visitor was not served.
enum class Blame : std::uint8_t { nobody, origin_side };

// The one log line about each visitor. It is information, and now and then a warning if it is to
// be looked at. `up` and `down` are bytes, seen from the visitor; `duration` is from its arrival.
// An empty `service` is left out: where there is but one, nobody needs its name.
void log_visitor_end(std::string_view visitor, std::uint64_t up, std::uint64_t down,
                     std::chrono::steady_clock::duration duration, const Reason& end,
                     std::string_view service = {}, Blame blame = Blame::nobody);

} // namespace tunnel
