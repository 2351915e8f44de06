#include "common/base/json.hpp"

namespace tunnel {

std::string to_line(const Json& json)
{
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

} // namespace tunnel
