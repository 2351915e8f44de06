// Readers of the kinds of values that options have. What a variable holds at first is the default.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/units.hpp"
#include "common/options/option.hpp"
#include "common/options/text_values.hpp"
#include "common/transport/address.hpp"
#include "common/transport/cidr.hpp"
#include "common/transport/server_address.hpp"

namespace tunnel {

ValueReader as_address(Address& value);
ValueReader as_address(std::optional<Address>& value);
ValueReader as_server_address(ServerAddress& value);
ValueReader as_duration(milliseconds& value, milliseconds lowest = milliseconds(1));
ValueReader as_duration(microseconds& value);
ValueReader as_number(std::uint32_t& value, std::uint32_t lowest, std::uint32_t highest);

// Any whole number; none: no limit.
ValueReader as_limit(std::optional<std::uint32_t>& value);

// From 1 to `highest`, or "off": no limit.
ValueReader as_limit_or_off(std::optional<std::uint32_t>& value, std::uint32_t highest);

// Up to `highest`; none: "auto".
ValueReader as_number_or_auto(std::optional<std::uint32_t>& value, std::uint32_t highest);

// Bytes a second; none: "off".
ValueReader as_rate(std::optional<std::uint64_t>& value);

// Any text but an empty one.
ValueReader as_name(std::string& value);

// As is_plain_name() has it.
ValueReader as_plain_name(std::string& value);

// That is read at the start and at each reload.
ValueReader as_file(std::string& value);

// That the program writes.
ValueReader as_written_file(std::string& value);

ValueReader as_switch(bool& value);

// Networks, with commas between them.
ValueReader as_networks(std::vector<Cidr>& value);

// As as_networks(), and those of a table replace those of the flag.
ValueReader as_replaced_networks(std::vector<Cidr>& value);

// `read` gets each text that stands between commas.
ValueReader as_each(std::string_view syntax, std::function<void(std::string_view text)> read);

// `read` gets each text of a list in a file, commas and all.
ValueReader as_list(std::string_view syntax, std::function<void(const std::string& text)> read);

// Anything else, as one value.
ValueReader as_text(std::string_view syntax, std::function<void(const std::string& text)> read,
                    std::string_view if_absent = {});

template <class Value, std::size_t count>
ValueReader as_choice(Value& value, const Choices<Value, count>& choices,
                      std::string_view syntax = "MODE")
{
    ValueReader reader = as_text(
        syntax, [&value, choices](const std::string& text) { value = read_choice(choices, text); },
        name_of(choices, value));
    for (const auto& [name, each] : choices)
        reader.choices.emplace_back(name);
    return reader;
}

// What stands between commas or line ends, one by one.
std::vector<std::string> split_values(std::string_view text);

} // namespace tunnel
