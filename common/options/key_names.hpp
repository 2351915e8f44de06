// The names in a configuration file, and how they may be shown.
#pragma once

#include <string>
#include <string_view>

namespace tunnel {

inline constexpr std::size_t longest_name = 64;

// What is_plain_name() wants, for error messages.
inline constexpr std::string_view plain_name_syntax =
    "a name has 1 to 64 letters, digits, dots, dashes and underscores";

// Of a service or an origin proxy, as it may stand in any log.
bool is_plain_name(std::string_view name);

// The nearest plain name to a text such as a host's name; empty: nothing in it can stand in one.
std::string plain_name_of(std::string_view text);

// A key, as far as it may be shown: where a key stands could also be a secret that somebody put on
// the wrong side of the equals sign. None is as short as what is shown.
std::string shown(std::string_view key);

} // namespace tunnel
