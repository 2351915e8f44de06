// What only one of the two programs understands, so that the other can say whose it is.
#pragma once

#include <string_view>

namespace tunnel {

inline constexpr std::string_view remote_proxy_name = "remote-proxy";
inline constexpr std::string_view origin_proxy_name = "origin-proxy";

// Whose flag this is, which is also a key of its file, or the name of a table there; without
// dashes. Empty, here and below: of both, or of none.
std::string_view only_program_with_key(std::string_view key);

// Whose key of a table [services.NAME] it is.
std::string_view only_program_with_service_key(std::string_view key);

// Whose command it is.
std::string_view only_program_with_command(std::string_view word);

} // namespace tunnel
