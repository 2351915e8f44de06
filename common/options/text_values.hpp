// Values as they are written on a command line and in a configuration file.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/number.hpp"
#include "common/base/refuse_text.hpp"
#include "common/base/units.hpp"
#include "common/options/nearest_name.hpp"
#include "common/transport/address.hpp"
#include "common/transport/cidr.hpp"

namespace tunnel {

// Throws std::invalid_argument that says what was most likely meant.
Address read_address(std::string_view text);

// A whole number within these limits. Throws std::invalid_argument.
std::uint32_t read_number(std::string_view text, std::uint32_t lowest, std::uint32_t highest);

// Bytes a second, none for "off". Throws std::invalid_argument.
std::optional<std::uint64_t> read_rate(std::string_view text);

// A duration of whole milliseconds, not shorter than `lowest`. Throws std::invalid_argument.
milliseconds read_duration(std::string_view text, milliseconds lowest = milliseconds(1));

// "10.0.0.0/8", or one address. Throws std::invalid_argument.
Cidr read_network(std::string_view text);

// Adds networks with commas or line ends between them to `networks`. Throws std::invalid_argument.
void read_networks(std::string_view text, std::vector<Cidr>& networks);

// Names of the values that there are to choose from.
template <class Value, std::size_t count>
using Choices = std::array<std::pair<std::string_view, Value>, count>;

// nullopt: it is none of the names.
template <class Value, std::size_t count>
std::optional<Value> one_of(const Choices<Value, count>& choices, std::string_view text)
{
    const auto found =
        std::ranges::find(choices, text, [](const auto& choice) { return choice.first; });
    return found == choices.end() ? std::nullopt : std::optional(found->second);
}

// Throws std::invalid_argument with all names, and the one that is nearest to `text`.
[[noreturn]] void refuse_choice(std::string_view text, const std::vector<std::string>& names);

// The same as one_of(), but throws std::invalid_argument.
template <class Value, std::size_t count>
Value read_choice(const Choices<Value, count>& choices, std::string_view text)
{
    const auto value = one_of(choices, text);
    if (value)
        return *value;
    std::vector<std::string> names;
    for (const auto& [name, each] : choices)
        names.emplace_back(name);
    refuse_choice(text, names);
}

// The name that read_choice() turns into `value`, which must have one.
template <class Value, std::size_t count>
std::string_view name_of(const Choices<Value, count>& choices, Value value)
{
    return std::ranges::find(choices, value, [](const auto& choice) { return choice.second; })
        ->first;
}

// Ports side by side, and the host in front of them.
struct AddressRange {
    Address first;
    std::size_t size = 1;
    bool is_range = false; // also of one port

    Address at(std::size_t place) const
    {
        return {first.host, static_cast<std::uint16_t>(first.port + place)};
    }

    // What the service at this place is called: NAME, or NAME[0] and so on in a range.
    std::string name_at(std::size_t place, const std::string& name) const;
};

// An address, or "host:20000-20100" for at most 1000 ports. Throws std::invalid_argument.
AddressRange read_address_range(std::string_view text);

// As read_address_range() reads it.
std::string to_string(const AddressRange& range);

} // namespace tunnel
