#include "common/http/login_lines.hpp"

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

namespace tunnel {

namespace {

std::string_view without_spaces(std::string_view text)
{
    constexpr std::string_view spaces = " \t\r\v\f";
    text.remove_prefix(std::min(text.find_first_not_of(spaces), text.size()));
    return text.substr(0, text.find_last_not_of(spaces) + 1);
}

} // namespace

bool is_login_line(std::string_view line)
{
    const std::size_t colon = line.find(':');
    const auto is_control = [](unsigned char c) { return c < ' ' || c == 0x7f; };
    return line.size() <= longest_login && colon != std::string_view::npos && colon > 0 &&
           line.substr(colon + 1).starts_with('$') && !std::ranges::any_of(line, is_control);
}

std::vector<std::string> read_login_lines(std::string_view text)
{
    std::vector<std::string> lines;
    for (std::size_t number = 1; !text.empty(); ++number) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view line = without_spaces(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.empty() || line.front() == '#')
            continue;
        if (!is_login_line(line))
            throw std::invalid_argument(
                fmt::format("line {} is not NAME:HASH with a hash that begins with $: make it with "
                            "htpasswd -nB NAME",
                            number));
        if (lines.size() == most_logins)
            throw std::invalid_argument(
                fmt::format("line {} is one too many, expected {} at most", number, most_logins));
        lines.emplace_back(line);
    }
    if (lines.empty())
        throw std::invalid_argument("it has no line, and so nobody could log in: make one with "
                                    "htpasswd -nB NAME");
    if (size_of_logins(lines) > largest_logins)
        throw std::invalid_argument(
            fmt::format("its lines are larger than {} KiB together", largest_logins / 1024));
    return lines;
}

std::size_t size_of_logins(const std::vector<std::string>& lines)
{
    std::size_t size = 0;
    for (const std::string& each : lines)
        size += each.size() + 1;
    return size;
}

} // namespace tunnel
