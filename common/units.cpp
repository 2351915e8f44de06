#include "common/units.hpp"

#include <array>
#include <charconv>
#include <cstdint>

#include <fmt/format.h>

namespace tunnel {

namespace {

struct Unit {
    std::string_view name;
    std::int64_t in_microseconds;
};

constexpr std::array<Unit, 5> units{
    {{"h", 3'600'000'000}, {"m", 60'000'000}, {"s", 1'000'000}, {"ms", 1'000}, {"us", 1}}};
constexpr std::int64_t longest = 10'000 * units[0].in_microseconds;

} // namespace

std::optional<microseconds> parse_duration(std::string_view text)
{
    std::uint64_t number = 0; // from_chars would take a minus for a signed one
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc())
        return std::nullopt;
    const std::string_view name(rest, static_cast<std::size_t>(end - rest));
    if (name.empty() && number == 0)
        return microseconds(0);
    for (const Unit& unit : units) {
        if (name == unit.name) {
            if (number > static_cast<std::uint64_t>(longest / unit.in_microseconds))
                return std::nullopt;
            return microseconds(static_cast<std::int64_t>(number) * unit.in_microseconds);
        }
    }
    return std::nullopt;
}

std::string to_string(microseconds duration)
{
    const std::int64_t count = duration.count();
    if (count == 0)
        return "0";
    for (const Unit& unit : units) {
        if (count % unit.in_microseconds == 0)
            return fmt::format("{}{}", count / unit.in_microseconds, unit.name);
    }
    return fmt::format("{}us", count);
}

} // namespace tunnel
