// Reads cases, a line each: what they are, and their bytes in hexadecimal digits. Answers each with
// a line for each parser: its name, the ends of messages that it sees, how it stopped, the bytes
// passed on by then; and an empty line.
#include <algorithm>
#include <array>
#include <iostream>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tests/smuggling/message_ends.hpp"

using namespace tunnel::smuggling;

namespace {

constexpr std::array<const char*, 3> kinds{"request", "response", "response-to-head"};
constexpr std::array<const char*, 5> stops{"more", "refused", "closed", "upgraded", "until-end"};

using Parser = MessageEnds (*)(Kind, std::string_view);

constexpr auto parsers = std::to_array<std::pair<const char*, Parser>>({
    {"ours", ends_by_ours},
#ifdef TUNNEL_HAS_LLHTTP
    {"llhttp", ends_by_llhttp},
#endif
#ifdef TUNNEL_HAS_HTTP_PARSER
    {"http-parser", ends_by_http_parser},
#endif
});

std::string bytes_of(const std::string& digits)
{
    std::string bytes;
    for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
        bytes += static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16));
    return bytes;
}

} // namespace

int main()
{
    for (std::string line; std::getline(std::cin, line);) {
        const std::size_t blank = line.find(' ');
        const auto kind = std::ranges::find(kinds, line.substr(0, blank));
        if (blank == std::string::npos || kind == kinds.end())
            return 1;
        const std::string bytes = bytes_of(line.substr(blank + 1));
        for (const auto& [name, parser] : parsers) {
            const MessageEnds ends = parser(static_cast<Kind>(kind - kinds.begin()), bytes);
            std::cout << fmt::format("{} [{}] {} {}\n", name, fmt::join(ends.at, ","),
                                     stops[static_cast<std::size_t>(ends.stop)], ends.passed);
        }
        std::cout << '\n';
    }
}
