// Why an address cannot be listened on, in words that say what to do.
#pragma once

#include <cstdint>
#include <string>
#include <system_error>

namespace tunnel {

// Throws std::system_error: "cannot listen on WHERE: ...". Where the port is one for which this
// user needs a privilege, it says how to get it.
[[noreturn]] void cannot_listen(std::error_code error, const std::string& where,
                                std::uint16_t port);

} // namespace tunnel
