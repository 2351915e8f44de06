// What somebody most likely meant by a duration, a rate or a network that is none.
#pragma once

#include <string>
#include <string_view>

#include "common/base/units.hpp"

namespace tunnel {

// "did you mean 5s?" for "5". `step` is the smallest part that counts, and `lowest` is 0 where that
// means never. Empty, here and below: nobody can tell.
std::string hint_for_duration(std::string_view text, microseconds step, microseconds lowest);

// "did you mean 10MB/s or 10Mbit/s?" for "10M".
std::string hint_for_rate(std::string_view text);

// "did you mean 10.0.0.0/8?" for "10.0.0/8".
std::string hint_for_network(std::string_view text);

} // namespace tunnel
