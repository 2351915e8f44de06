// Durations as people write them.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace tunnel {

using std::chrono::microseconds;
using std::chrono::milliseconds;

// What parse_duration understands, for error messages.
inline constexpr std::string_view duration_syntax = "a duration such as 250ms, 5s, 2m or 1h";

// "50us", "250ms", "5s", "2m", "1h", or "0"; nullopt for anything else, also for more than 10,000
// hours, so that adding one to a clock cannot overflow.
std::optional<microseconds> parse_duration(std::string_view text);

// The shortest text that parse_duration turns back into `duration`.
std::string to_string(microseconds duration);

} // namespace tunnel
