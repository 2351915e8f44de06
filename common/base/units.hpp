// Durations and rates as people write them.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tunnel {

using std::chrono::microseconds;
using std::chrono::milliseconds;

// What parse_duration understands, for error messages.
inline constexpr std::string_view duration_syntax = "a duration such as 250ms, 5s, 2m or 1h";

// "50us", "250ms", "5s", "2m", "1h", or "0"; nullopt for anything else, and for more than 10,000
// hours, so that adding it to a clock cannot overflow.
std::optional<microseconds> parse_duration(std::string_view text);

// The shortest text that parse_duration turns back into `duration`.
std::string to_string(microseconds duration);

// What parse_rate understands, for error messages.
inline constexpr std::string_view rate_syntax =
    "off or a rate of at least 1KiB/s such as 512KiB/s, 10MB/s or 100Mbit/s";

// Bytes in a second: a whole number and one of B/s, KiB/s, MiB/s, GiB/s, kB/s, MB/s, GB/s, kbit/s,
// Mbit/s and Gbit/s, from 1 KiB/s to 1 TB/s; nullopt for anything else.
std::optional<std::uint64_t> parse_rate(std::string_view text);

} // namespace tunnel
