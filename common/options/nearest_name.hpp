// The name that was meant, where one was typed that does not exist.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tunnel {

// The one of `names` that `text` is a typing error or two away from, or the beginning of; empty:
// none is near enough. Capitals and underscores count as small letters and dashes.
std::string nearest(std::string_view text, const std::vector<std::string>& names);

// "did you mean NAME?"; empty: no name is near enough.
std::string did_you_mean(std::string_view text, const std::vector<std::string>& names);

} // namespace tunnel
