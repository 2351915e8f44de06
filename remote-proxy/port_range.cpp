#include "remote-proxy/port_range.hpp"

#include "common/text_values.hpp"

namespace tunnel {

PortRange read_port_range(std::string_view text)
{
    const std::size_t dash = text.find('-');
    const auto first = parse_number(text.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : parse_number(text.substr(dash + 1));
    if (!first || !last || *first == 0 || *last < *first || *last > 65535)
        refuse_text(text, "a port or ports side by side, such as 9000 or 20000-20100");
    return {static_cast<std::uint16_t>(*first), static_cast<std::uint16_t>(*last)};
}

} // namespace tunnel
