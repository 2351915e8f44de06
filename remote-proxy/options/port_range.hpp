// Ports as they are written.
#pragma once

#include <string_view>

#include "remote-proxy/options/service_options.hpp"

namespace tunnel {

// "9000" or "20000-20100". Throws std::invalid_argument that says what is wrong.
PortRange read_port_range(std::string_view text);

} // namespace tunnel
