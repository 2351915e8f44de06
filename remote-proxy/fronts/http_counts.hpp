// What requests to the HTTP address have come to.
#pragma once

#include <cstdint>

namespace tunnel {

// Since the start. Each answer counts once; `timeout` also counts connections that sent nothing.
struct HttpCounts {
    std::uint64_t acme = 0;         // asked for an ACME challenge, found or not
    std::uint64_t redirected = 0;   // sent to https
    std::uint64_t unknown_host = 0; // no server has the name here
    std::uint64_t bad_request = 0;  // refused unread
    std::uint64_t timeout = 0;      // did not come in time
};

} // namespace tunnel
