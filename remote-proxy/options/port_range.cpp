#include "remote-proxy/options/port_range.hpp"

#include <algorithm>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "common/options/text_values.hpp"

namespace tunnel {

namespace {

std::string hint_for(std::string_view text, std::optional<std::uint32_t> first,
                     std::optional<std::uint32_t> last)
{
    constexpr std::uint32_t highest = 65535;
    if (first && last && std::max(*first, *last) > highest)
        return fmt::format("a port is at most {}", highest);
    if (first && last && *last > 0 && *last < *first)
        return fmt::format("did you mean {}-{}?", *last, *first);
    const std::size_t colon = text.rfind(':');
    if (colon != std::string_view::npos && parse_number(text.substr(colon + 1)))
        return fmt::format("did you mean {}?", text.substr(colon + 1));
    return {};
}

} // namespace

PortRange read_port_range(std::string_view text)
{
    const std::size_t dash = text.find('-');
    const auto first = parse_number(text.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : parse_number(text.substr(dash + 1));
    if (!first || !last || *first == 0 || *last < *first || *last > 65535)
        refuse_text(text, "a port or ports side by side, such as 9000 or 20000-20100",
                    hint_for(text, first, last));
    return {static_cast<std::uint16_t>(*first), static_cast<std::uint16_t>(*last)};
}

} // namespace tunnel
