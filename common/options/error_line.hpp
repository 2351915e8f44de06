// Why something was not done, for programs that want JSON.
#pragma once

#include <string>
#include <string_view>

namespace tunnel {

// {"error":"WHY"}, without an end of line.
std::string error_line(std::string_view why);

} // namespace tunnel
