// Writing mdoc(7), the language of manual pages.
#pragma once

#include <string>
#include <string_view>

namespace tunnel {

// Of all pages: when their texts last changed, for the foot of a page. A date of the build would
// make two builds differ.
inline constexpr std::string_view date_of_manual = "November 30, 2026";

// A page begins with it. `title` is "REMOTE-PROXY", `section` "1".
std::string mdoc_head(std::string_view title, std::string_view section, std::string_view name,
                      std::string_view purpose);

// A text, a sentence a line, whatever is in it.
std::string mdoc_text(std::string_view text);

// The arguments of a macro: one word, whatever is in it.
std::string mdoc_word(std::string_view word);

// "Fl -log-level Ar LEVEL" for "--log-level" and "LEVEL"; without a syntax the flag alone.
std::string mdoc_flag(std::string_view name, std::string_view syntax);

} // namespace tunnel
