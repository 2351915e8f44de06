#include "common/options/value_hints.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "common/transport/cidr.hpp"

namespace tunnel {

namespace {

constexpr std::size_t longest_text = 64; // what is longer is looked at by nobody

bool is_space(char c)
{
    return std::isspace(static_cast<unsigned char>(c)) != 0;
}

bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

std::string lower(std::string_view text)
{
    std::string all(text);
    for (char& c : all)
        c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return all;
}

std::string without_spaces(std::string_view text)
{
    std::string all(text);
    std::erase_if(all, is_space);
    return all;
}

bool means_none(std::string_view text)
{
    constexpr std::array<std::string_view, 9> words{
        "never", "none", "no", "off", "infinite", "infinity", "unlimited", "nolimit", "-1"};
    return std::ranges::find(words, text) != words.end();
}

// A number, perhaps with a fraction, and takes it off the text.
std::optional<double> take_number(std::string_view& text)
{
    constexpr std::size_t most_digits = 15; // a double holds them
    double number = 0;
    double part = 0; // of the digit that comes, once there was a point
    std::size_t size = 0;
    for (; size < text.size() && size < most_digits; ++size) {
        const char c = text[size];
        if (is_digit(c)) {
            number = part == 0 ? number * 10 + (c - '0') : number + (c - '0') * part;
            part /= 10;
        } else if ((c == '.' || c == ',') && part == 0 && size > 0) {
            part = 0.1;
        } else {
            break;
        }
    }
    if (size == 0)
        return std::nullopt;
    text.remove_prefix(size);
    return number;
}

std::string_view take_letters(std::string_view& text)
{
    const auto* const end = std::ranges::find_if(text, is_digit);
    const std::string_view letters(text.begin(), static_cast<std::size_t>(end - text.begin()));
    text.remove_prefix(letters.size());
    return letters;
}

// nullopt: no unit of time.
std::optional<double> microseconds_in(std::string_view unit)
{
    constexpr double second = 1e6;
    constexpr std::array<std::pair<std::string_view, double>, 29> units{
        {{"", second},
         {"s", second},
         {"sec", second},
         {"secs", second},
         {"second", second},
         {"seconds", second},
         {"m", 60 * second},
         {"min", 60 * second},
         {"mins", 60 * second},
         {"minute", 60 * second},
         {"minutes", 60 * second},
         {"h", 3600 * second},
         {"hr", 3600 * second},
         {"hrs", 3600 * second},
         {"hour", 3600 * second},
         {"hours", 3600 * second},
         {"d", 86'400 * second},
         {"day", 86'400 * second},
         {"days", 86'400 * second},
         {"w", 604'800 * second},
         {"week", 604'800 * second},
         {"weeks", 604'800 * second},
         {"ms", 1000},
         {"msec", 1000},
         {"millis", 1000},
         {"milliseconds", 1000},
         {"us", 1},
         {"usec", 1},
         {"microseconds", 1}}};
    const auto* const found =
        std::ranges::find(units, unit, &std::pair<std::string_view, double>::first);
    return found == units.end() ? std::nullopt : std::optional(found->second);
}

// "1h30m", "1.5 s".
std::optional<microseconds> loose_duration(std::string_view text)
{
    double sum = 0;
    while (!text.empty()) {
        const auto number = take_number(text);
        const auto unit = microseconds_in(take_letters(text));
        if (!number || !unit)
            return std::nullopt;
        sum += *number * *unit;
    }
    constexpr double most = 1e15;
    if (!(sum > 0 && sum < most))
        return std::nullopt;
    return microseconds(std::llround(sum));
}

// What stands behind the number of a rate.
struct RateUnit {
    std::string prefix{};
    bool may_be_bytes = false;
    bool may_be_bits = false;
};

bool take_end(std::string& text, std::string_view end)
{
    if (!text.ends_with(end))
        return false;
    text.resize(text.size() - end.size());
    return true;
}

std::optional<RateUnit> loose_rate_unit(std::string_view given)
{
    const bool large_b = given.find('B') != std::string_view::npos;
    std::string unit = lower(given);
    const bool per_second = take_end(unit, "/s") || take_end(unit, "/sec") ||
                            take_end(unit, "/second") || take_end(unit, "persecond");
    const bool as_bps = !per_second && take_end(unit, "ps");
    RateUnit result;
    if (take_end(unit, "bits") || take_end(unit, "bit")) {
        result.may_be_bits = true;
    } else if (take_end(unit, "bytes") || take_end(unit, "byte")) {
        result.may_be_bytes = true;
    } else if (take_end(unit, "b")) {
        result.may_be_bytes = large_b || !as_bps;
        result.may_be_bits = !large_b;
    } else {
        result.may_be_bytes = result.may_be_bits = true;
    }
    constexpr std::array<std::pair<std::string_view, std::string_view>, 7> prefixes{
        {{"", ""}, {"k", "k"}, {"m", "M"}, {"g", "G"}, {"ki", "Ki"}, {"mi", "Mi"}, {"gi", "Gi"}}};
    const auto* const found =
        std::ranges::find(prefixes, unit, &std::pair<std::string_view, std::string_view>::first);
    if (found == prefixes.end())
        return std::nullopt;
    result.prefix = found->second;
    return result;
}

// The number with the largest unit in which it is whole; empty: it is no rate.
std::string rate_text(double number, const std::string& prefix, std::string_view unit)
{
    std::vector<std::string> smaller;
    double factor = 1000;
    if (prefix.ends_with('i')) {
        smaller = {"Gi", "Mi", "Ki", ""};
        factor = 1024;
    } else {
        smaller = {"G", "M", "k", ""};
    }
    for (auto each = std::ranges::find(smaller, prefix); each != smaller.end(); ++each) {
        if (number == std::floor(number) && number < 1e12) {
            const std::string text =
                fmt::format("{}{}{}", static_cast<std::uint64_t>(number), *each, unit);
            return parse_rate(text) ? text : std::string();
        }
        number *= factor;
    }
    return {};
}

bool is_network(const std::string& text)
{
    try {
        parse_cidr(text);
        return true;
    } catch (const std::invalid_argument&) {
        return false;
    }
}

// "255.255.0.0" is 16.
std::optional<int> length_of_mask(std::string_view text)
{
    constexpr int bytes = 4;
    std::uint32_t mask = 0;
    for (int i = 0; i < bytes; ++i) {
        std::uint32_t byte = 0;
        std::size_t digits = 0;
        for (; digits < text.size() && digits < 3 && is_digit(text[digits]); ++digits)
            byte = byte * 10 + static_cast<std::uint32_t>(text[digits] - '0');
        text.remove_prefix(digits);
        const bool ends = i + 1 == bytes;
        if (digits == 0 || byte > 255 || (ends ? !text.empty() : !text.starts_with('.')))
            return std::nullopt;
        text.remove_prefix(ends ? 0 : 1);
        mask = mask << 8U | byte;
    }
    int length = 0;
    while (length < 32 && (mask & (1U << 31U)) != 0) {
        mask <<= 1U;
        ++length;
    }
    return mask == 0 ? std::optional(length) : std::nullopt;
}

// Forms in which people write a network, each as it would be right if it was that one.
std::vector<std::string> network_candidates(std::string text)
{
    std::erase(text, '[');
    std::erase(text, ']');
    const std::size_t slash = text.find('/');
    const std::string address = text.substr(0, slash);
    const std::string length = slash == std::string::npos ? "" : text.substr(slash);
    std::vector<std::string> all{text};
    if (slash != std::string::npos) {
        if (const auto of_mask = length_of_mask(std::string_view(text).substr(slash + 1)))
            all.push_back(fmt::format("{}/{}", address, *of_mask));
    }
    std::string padded = address;
    const auto dots = [&padded] { return std::ranges::count(padded, '.'); };
    if (padded.ends_with(".*"))
        padded.resize(padded.size() - 2);
    const auto given = dots() + 1;
    while (!padded.empty() && dots() < 3)
        padded += ".0";
    all.push_back(padded + (length.empty() ? fmt::format("/{}", 8 * given) : length));
    if (std::ranges::count(text, ':') == 1) // an address with its port
        all.push_back(text.substr(0, text.find(':')));
    return all;
}

} // namespace

std::string hint_for_duration(std::string_view text, microseconds step, microseconds lowest)
{
    if (text.size() > longest_text)
        return {};
    const std::string typed = lower(without_spaces(text));
    if (lowest.count() == 0 && means_none(typed))
        return "did you mean 0?";
    const auto meant = loose_duration(typed);
    if (!meant || *meant < lowest || *meant % step != microseconds(0))
        return {};
    const std::string better = to_string(*meant);
    return parse_duration(better) && better != text ? fmt::format("did you mean {}?", better) : "";
}

std::string hint_for_rate(std::string_view text)
{
    if (text.size() > longest_text)
        return {};
    const std::string typed = without_spaces(text);
    if (means_none(lower(typed)) || typed == "0")
        return "did you mean off?";
    std::string_view rest = typed;
    const auto number = take_number(rest);
    const auto unit = number ? loose_rate_unit(rest) : std::nullopt;
    if (!unit)
        return {};
    // A number alone, as people say it of a line, is of MB or Mbit.
    constexpr double large = 1024;
    const std::string prefix = rest.empty() && *number < large ? "M" : unit->prefix;
    std::string bytes;
    std::string bits;
    if (unit->may_be_bytes)
        bytes = rate_text(*number, prefix, "B/s");
    if (unit->may_be_bits && !prefix.ends_with('i'))
        bits = rate_text(*number, prefix, "bit/s");
    if (bytes.empty() && bits.empty())
        return {};
    return fmt::format("did you mean {}{}{}?", bytes, bytes.empty() || bits.empty() ? "" : " or ",
                       bits);
}

std::string hint_for_network(std::string_view text)
{
    if (text.size() > longest_text)
        return {};
    const std::string typed = lower(without_spaces(text));
    if (typed == "localhost" || typed == "loopback")
        return "names are not looked up, did you mean 127.0.0.0/8 or ::1?";
    if (typed == "*" || typed == "all" || typed == "any" || typed == "everybody")
        return "did you mean 0.0.0.0/0,::/0?";
    for (const std::string& each : network_candidates(typed)) {
        if (each != text && is_network(each))
            return fmt::format("did you mean {}?", each);
    }
    return {};
}

} // namespace tunnel
