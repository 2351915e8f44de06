#include "common/transport/host_name.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "common/base/log.hpp"

namespace tunnel {

namespace {

constexpr std::size_t longest_label = 63;

bool is_digit_of_host(char c)
{
    return c >= '0' && c <= '9';
}

// In lower case.
bool may_stand_in_host(char c)
{
    return (c >= 'a' && c <= 'z') || is_digit_of_host(c) || c == '-' || c == '_';
}

bool is_label(std::string_view label)
{
    return !label.empty() && label.size() <= longest_label && label.front() != '-' &&
           label.back() != '-' && std::ranges::all_of(label, may_stand_in_host);
}

} // namespace

std::optional<std::string> canonical_host_name(std::string_view text)
{
    if (text.ends_with('.'))
        text.remove_suffix(1);
    if (text.empty() || text.size() > longest_host_name)
        return std::nullopt;
    std::string name(text);
    for (char& c : name)
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    std::string_view rest = name;
    for (;;) {
        const std::size_t dot = rest.find('.');
        const std::string_view label = rest.substr(0, dot);
        if (!is_label(label))
            return std::nullopt;
        if (dot != std::string_view::npos) {
            rest.remove_prefix(dot + 1);
            continue;
        }
        // The last part of an IPv4 address, however that is written (0x7f.1, 127.0.0.1).
        if (is_digit_of_host(label.front()) &&
            (std::ranges::all_of(label, is_digit_of_host) || label.starts_with("0x")))
            return std::nullopt;
        return name;
    }
}

std::optional<std::string> canonical_host_pattern(std::string_view text)
{
    if (text == "*")
        return std::string(text);
    constexpr std::string_view all_below = "*.";
    if (!text.starts_with(all_below))
        return canonical_host_name(text);
    auto name = canonical_host_name(text.substr(all_below.size()));
    return name ? std::optional(std::string(all_below) + *name) : std::nullopt;
}

bool covers(std::string_view allowed, std::string_view pattern)
{
    if (allowed == "*" || allowed == pattern)
        return true;
    return is_wildcard_host(allowed) && pattern != "*" && pattern.ends_with(allowed.substr(1));
}

std::string objection_to_host(std::string_view text)
{
    constexpr std::size_t longest_shown = 80;
    const std::string shown = log::escape(text.substr(0, longest_shown));
    const bool is_ascii =
        std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
    if (!is_ascii)
        return fmt::format("\"{}\" is not in ASCII: write the name as it stands in the DNS, with "
                           "xn-- (idn2 NAME tells it)",
                           shown);
    if (text.size() > longest_host_name + 2)
        return fmt::format("\"{}...\" is longer than a host name can be", shown);
    if (const std::size_t star = text.rfind('*'); star != std::string_view::npos)
        return fmt::format("\"{}\" is no pattern of host names: the star stands for whole labels "
                           "in front, as in *.example.com",
                           shown);
    return fmt::format("\"{}\" is no host name: expected letters, digits and dashes with dots "
                       "between, as in app.example.com",
                       shown);
}

} // namespace tunnel
