// Services as the command line names them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "origin-proxy/options/service_options.hpp"

namespace tunnel {

// How one is written.
inline constexpr std::string_view service_syntax = "NAME=HOST:PORT[@[HOST:]PORT|@KIND://HOST]";

// "NAME=HOST:PORT" is served where the remote proxy's options say; with "@HOST:PORT" or "@PORT"
// behind it there, and port 0 is any that is free; with "@http://HOST:PORT" there too, and visitors
// speak HTTP; with "@https://HOST", "@http://HOST" or "@tls://HOST" under that name.
// "NAME=HOST:FIRST-LAST@FIRST-LAST" is one service for each port, NAME[0] first. In the place of
// the server's HOST:PORT may stand "unix:/path"; it ends at the last @, if there is one. Throws
// std::invalid_argument that says what is wrong.
std::vector<OriginService> parse_service(std::string_view text);

// What makes it impossible to serve all of them, such as a name that two have; empty: nothing.
std::string contradiction(const std::vector<OriginService>& services);

} // namespace tunnel
