// The error message for an invalid value.
#pragma once

#include <string_view>

namespace tunnel {

// Throws std::invalid_argument: "TEXT" is not what was expected, followed by the hint if there is
// one.
[[noreturn]] void refuse_text(std::string_view text, std::string_view expected,
                              std::string_view hint = {});

} // namespace tunnel
