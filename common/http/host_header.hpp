// What stands in the place of a visitor's Host. No I/O.
#pragma once

#include <string>
#include <string_view>

namespace tunnel {

// What is wrong with it; empty: nothing. It is a host name or an IP address, and a port behind it,
// perhaps: "localhost:5173", "[::1]:80". So nothing of it can end a line of a request.
std::string objection_to_host_header(std::string_view text);

} // namespace tunnel
