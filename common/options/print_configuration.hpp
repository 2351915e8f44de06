// Values as TOML, for the configuration in force.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/json.hpp"
#include "common/options/document.hpp"
#include "common/options/option.hpp"

namespace tunnel {

// What is printed in the place of a secret. Nothing takes it for one.
inline constexpr std::string_view masked = "***";

// In quotes, with everything escaped that could not stand there.
std::string in_quotes(std::string_view text);

// "key = value" with its line end, without quotes if the text is a whole number.
std::string toml_line(std::string_view key, std::string_view text);

// "key = [...]" with its line end; empty if there are none.
std::string toml_line(std::string_view key, const std::vector<std::string>& texts);

// Tables with names in one that has one, [services.NAME]; secrets among their keys are masked.
std::string to_toml(const Setting& tables, const OptionList& keys);

// The same value as JSON.
Json to_json(const Setting& tables, const OptionList& keys);

// A text as JSON: a whole number without quotes.
Json number_or_text(const std::string& text);

} // namespace tunnel
