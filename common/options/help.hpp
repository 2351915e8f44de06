// Texts of --help: lines of at most so many columns.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace tunnel {

inline constexpr std::size_t help_columns = 100;

// Broken between words, each line behind the first with so many spaces in front. The first has
// `used` columns before it, which are not part of the text.
std::string wrapped(std::string_view text, std::size_t columns, std::size_t indent,
                    std::size_t used);

// With a capital first.
std::string as_sentence(std::string text);

// A word or flag, and what it is for.
struct HelpEntry {
    std::string what;
    std::string meaning;
};

// A line or more for each, with what they mean in one column.
std::string help_table(const std::vector<HelpEntry>& entries);

} // namespace tunnel
