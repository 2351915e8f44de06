#include "common/options/error_line.hpp"

#include "common/base/json.hpp"

namespace tunnel {

std::string error_line(std::string_view why)
{
    return to_line({{"error", why}});
}

} // namespace tunnel
