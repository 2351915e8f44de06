// The server that is exposed.
#pragma once

#include <optional>
#include <vector>

#include "common/asio.hpp"
#include "common/net/address.hpp"

namespace tunnel {

// Dials it, and remembers for a short while what its name means, so that a visitor does not cost a
// look-up, and which of its addresses took a connection, so that a visitor does not cost an attempt
// at one that does not.
class OriginServer {
public:
    OriginServer(Address address, Clock::duration dial_timeout)
        : address_(std::move(address)), dial_timeout_(dial_timeout)
    {
    }

    // A connection, or std::system_error. Several may be under way; the object must outlive them.
    awaitable<tcp::socket> dial();

private:
    Address address_;
    Clock::duration dial_timeout_;
    std::vector<tcp::endpoint> endpoints_;
    Clock::time_point looked_up_;
};

} // namespace tunnel
