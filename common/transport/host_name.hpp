// Host names, and patterns of them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tunnel {

// RFC 1035, without the final dot.
inline constexpr std::size_t longest_host_name = 253;

// The form in which names are compared: lower case, without a final dot. nullopt: it is no host
// name, but an IP address, say, or has characters other than letters, digits, dashes and
// underscores. A name with others is written as "xn--..." (RFC 5891).
std::optional<std::string> canonical_host_name(std::string_view text);

// The same for a pattern: a name, "*.name" for all names below that one, at any depth, or "*" for
// all names.
std::optional<std::string> canonical_host_pattern(std::string_view text);

// Of a canonical one: whether it stands for more than one name.
inline bool is_wildcard_host(std::string_view pattern)
{
    return pattern.starts_with('*');
}

// Whether all names that `pattern` stands for are among those of `allowed`. Both are canonical.
bool covers(std::string_view allowed, std::string_view pattern);

// What is wrong with a text that is no host pattern, and what to write instead; for people.
std::string objection_to_host(std::string_view text);

} // namespace tunnel
