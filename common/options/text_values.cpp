#include "common/options/text_values.hpp"

#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/base/units.hpp"
#include "common/options/value_hints.hpp"
#include "common/transport/address_hint.hpp"

namespace tunnel {

namespace {

// So many are offered to a remote proxy at once, and no more.
constexpr std::size_t most_ports = 1000;

} // namespace

Address read_address(std::string_view text)
{
    auto address = parse_address(text);
    if (!address)
        refuse_text(text, address_syntax, hint_for_address(text, AddressForms::tcp));
    return std::move(*address);
}

std::uint32_t read_number(std::string_view text, std::uint32_t lowest, std::uint32_t highest)
{
    const auto number = parse_number(text);
    if (!number || *number < lowest || *number > highest)
        refuse_text(text, fmt::format("a number from {} to {}", lowest, highest));
    return *number;
}

std::optional<std::uint64_t> read_rate(std::string_view text)
{
    if (text == "off")
        return std::nullopt;
    const auto rate = parse_rate(text);
    if (!rate)
        refuse_text(text, rate_syntax, hint_for_rate(text));
    return rate;
}

milliseconds read_duration(std::string_view text, milliseconds lowest)
{
    const auto parsed = parse_duration(text);
    const auto value = std::chrono::duration_cast<milliseconds>(parsed.value_or(microseconds(0)));
    if (!parsed || value < lowest || *parsed != value) // no part of one is lost
        refuse_text(text,
                    lowest.count() == 0
                        ? fmt::format("{}, or 0", duration_syntax)
                        : fmt::format("{}, at least {}", duration_syntax, to_string(lowest)),
                    hint_for_duration(text, milliseconds(1), lowest));
    return value;
}

Cidr read_network(std::string_view text)
{
    try {
        return parse_cidr(text);
    } catch (const std::invalid_argument& error) {
        const std::string why = error.what();
        const std::string hint = hint_for_network(text);
        if (hint.empty() || why.find("did you mean") != std::string::npos)
            throw;
        throw std::invalid_argument(fmt::format("{}; {}", why, hint));
    }
}

void read_networks(std::string_view text, std::vector<Cidr>& networks)
{
    for (;;) {
        const std::size_t end = text.find_first_of(",\n");
        networks.push_back(read_network(text.substr(0, end)));
        if (end == std::string_view::npos)
            return;
        text.remove_prefix(end + 1);
    }
}

void refuse_choice(std::string_view text, const std::vector<std::string>& names)
{
    const std::vector<std::string> all_but_last(names.begin(), names.end() - 1);
    refuse_text(text, fmt::format("{} or {}", fmt::join(all_but_last, ", "), names.back()),
                did_you_mean(text, names));
}

std::string AddressRange::name_at(std::size_t place, const std::string& name) const
{
    return is_range ? fmt::format("{}[{}]", name, place) : name;
}

AddressRange read_address_range(std::string_view text)
{
    const std::size_t port = text.rfind(':') + 1; // 0: there is none, and then no address
    const std::size_t dash = text.find('-', port);
    const auto first = parse_address(text.substr(0, dash));
    if (!first)
        refuse_text(text,
                    fmt::format("{}, or ports side by side such as :20000-20100", address_syntax),
                    hint_for_address(text, AddressForms::tcp));
    if (dash == std::string_view::npos)
        return {*first};
    const auto last = parse_whole<std::uint16_t>(text.substr(dash + 1));
    if (!last || first->port == 0 || *last < first->port)
        refuse_text(text, "ports side by side, which begin at 1 or above and end at most at 65535");
    const std::size_t size = static_cast<std::size_t>(*last - first->port) + 1;
    if (size > most_ports)
        refuse_text(text, fmt::format("{} ports or fewer", most_ports));
    return {*first, size, true};
}

std::string to_string(const AddressRange& range)
{
    const std::string first = to_string(range.first);
    return range.is_range ? fmt::format("{}-{}", first, range.first.port + range.size - 1) : first;
}

} // namespace tunnel
