// Reads whole numbers.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>
#include <system_error>

namespace tunnel {

// Decimal, without spaces or a plus sign. nullopt: not a number, or too large for the type.
template <class Number>
std::optional<Number> parse_whole(std::string_view text)
{
    Number number = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, number);
    return error == std::errc() && rest == end ? std::optional(number) : std::nullopt;
}

inline std::optional<std::uint32_t> parse_number(std::string_view text)
{
    return parse_whole<std::uint32_t>(text);
}

} // namespace tunnel
