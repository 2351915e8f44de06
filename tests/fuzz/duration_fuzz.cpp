// "250ms", "512KiB/s": digits and a unit and nothing else; and every duration is printed as one
// that is read.
#include <array>
#include <cctype>
#include <cstring>
#include <utility>

#include "common/base/units.hpp"
#include "tests/fuzz/input.hpp"

using namespace tunnel;
using namespace tunnel::fuzz;

namespace {

constexpr microseconds longest = std::chrono::hours(10'000);

// The digits, taken off the front of `text`.
std::optional<double> take_number(std::string_view& text)
{
    double number = 0; // does not overflow, and is exact far beyond the longest
    std::size_t digits = 0;
    for (; digits < text.size() && std::isdigit(static_cast<unsigned char>(text[digits])) != 0;
         ++digits)
        number = number * 10 + (text[digits] - '0');
    text.remove_prefix(digits);
    return digits == 0 ? std::nullopt : std::optional(number);
}

std::optional<std::uint64_t> expected_rate(std::string_view text)
{
    constexpr std::array<std::pair<std::string_view, double>, 10> units{{{"B/s", 1},
                                                                         {"kB/s", 1e3},
                                                                         {"MB/s", 1e6},
                                                                         {"GB/s", 1e9},
                                                                         {"KiB/s", 1024},
                                                                         {"MiB/s", 1048576},
                                                                         {"GiB/s", 1073741824},
                                                                         {"kbit/s", 125},
                                                                         {"Mbit/s", 125e3},
                                                                         {"Gbit/s", 125e6}}};
    const auto number = take_number(text);
    for (const auto& [name, factor] : units) {
        if (number && text == name && *number * factor >= 1024 && *number * factor <= 1e12)
            return static_cast<std::uint64_t>(*number * factor);
    }
    return std::nullopt;
}

std::optional<microseconds> expected_of(std::string_view text)
{
    constexpr std::array<std::pair<std::string_view, std::int64_t>, 5> units{
        {{"us", 1}, {"ms", 1'000}, {"s", 1'000'000}, {"m", 60'000'000}, {"h", 3'600'000'000}}};
    const auto found = take_number(text);
    if (!found)
        return std::nullopt;
    const double number = *found;
    if (text.empty() && number == 0)
        return microseconds(0);
    for (const auto& [name, factor] : units) {
        if (text == name &&
            number * static_cast<double>(factor) <= static_cast<double>(longest.count()))
            return microseconds(static_cast<std::int64_t>(number) * factor);
    }
    return std::nullopt;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string_view text = Input(data, size).text();
    const auto duration = parse_duration(text);
    require(duration == expected_of(text), "digits and a unit are a duration, and nothing else is");
    if (duration) {
        const std::string printed = to_string(*duration);
        require(parse_duration(printed) == duration, "a duration survives being printed");
        require(printed.size() <= text.size(), "a duration is printed as short as it can be");
    }

    require(parse_rate(text) == expected_rate(text),
            "digits and a unit of rates are a rate, and nothing else is");

    std::uint64_t number = 0;
    std::memcpy(&number, data, std::min(size, sizeof number));
    const microseconds any(static_cast<std::int64_t>(number % (longest.count() + 1u)));
    require(parse_duration(to_string(any)) == any, "what is printed is read as the same");
    return 0;
}
