#include "common/units.hpp"

#include <array>
#include <charconv>
#include <cstdint>

#include <fmt/format.h>

namespace tunnel {

namespace {

struct Unit {
    std::string_view name;
    std::int64_t in_milliseconds;
};

constexpr std::array<Unit, 4> units{{{"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};
constexpr std::int64_t longest = 10'000LL * 3'600'000;

} // namespace

std::optional<milliseconds> parse_duration(std::string_view text)
{
    std::int64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc() || number < 0)
        return std::nullopt;
    const std::string_view name(rest, static_cast<std::size_t>(end - rest));
    if (name.empty() && number == 0)
        return milliseconds(0);
    for (const Unit& unit : units) {
        if (name == unit.name) {
            if (number > longest / unit.in_milliseconds)
                return std::nullopt;
            return milliseconds(number * unit.in_milliseconds);
        }
    }
    return std::nullopt;
}

std::string to_string(milliseconds duration)
{
    const std::int64_t count = duration.count();
    if (count == 0)
        return "0";
    for (const Unit& unit : units) {
        if (count % unit.in_milliseconds == 0)
            return fmt::format("{}{}", count / unit.in_milliseconds, unit.name);
    }
    return fmt::format("{}ms", count);
}

} // namespace tunnel
