#include "common/base/units.hpp"

#include <array>
#include <charconv>
#include <cstdint>
#include <utility>

#include <fmt/format.h>

namespace tunnel {

namespace {

struct Unit {
    std::string_view name;
    std::int64_t in_microseconds;
};

// In bits, so that all are whole numbers.
constexpr std::array<std::pair<std::string_view, std::uint64_t>, 10> rate_units{
    {{"B/s", 8},
     {"KiB/s", 8 << 10U},
     {"MiB/s", 8 << 20U},
     {"GiB/s", std::uint64_t{8} << 30U},
     {"kB/s", 8'000},
     {"MB/s", 8'000'000},
     {"GB/s", 8'000'000'000},
     {"kbit/s", 1'000},
     {"Mbit/s", 1'000'000},
     {"Gbit/s", 1'000'000'000}}};
constexpr std::uint64_t lowest_rate = 1024;
constexpr std::uint64_t highest_rate = 1'000'000'000'000;

constexpr std::array<Unit, 5> units{
    {{"h", 3'600'000'000}, {"m", 60'000'000}, {"s", 1'000'000}, {"ms", 1'000}, {"us", 1}}};
constexpr std::int64_t longest_duration = 10'000 * units[0].in_microseconds;

// A whole number, and what stands behind it.
std::optional<std::pair<std::uint64_t, std::string_view>> parse_quantity(std::string_view text)
{
    std::uint64_t number = 0; // from_chars would take a minus for a signed one
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc())
        return std::nullopt;
    return std::pair(number, std::string_view(rest, static_cast<std::size_t>(end - rest)));
}

} // namespace

std::optional<std::uint64_t> parse_rate(std::string_view text)
{
    const auto quantity = parse_quantity(text);
    if (!quantity || quantity->first > highest_rate)
        return std::nullopt;
    for (const auto& [name, bits] : rate_units) {
        if (quantity->second != name)
            continue;
        if (quantity->first > 8 * highest_rate / bits)
            return std::nullopt;
        const std::uint64_t rate = quantity->first * bits / 8;
        return rate >= lowest_rate ? std::optional(rate) : std::nullopt;
    }
    return std::nullopt;
}

std::optional<microseconds> parse_duration(std::string_view text)
{
    const auto quantity = parse_quantity(text);
    if (!quantity)
        return std::nullopt;
    const auto [number, name] = *quantity;
    if (name.empty() && number == 0)
        return microseconds(0);
    for (const Unit& unit : units) {
        if (name == unit.name) {
            if (number > static_cast<std::uint64_t>(longest_duration / unit.in_microseconds))
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
