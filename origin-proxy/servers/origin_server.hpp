// The server that is exposed.
#pragma once

#include <optional>
#include <vector>

#include "common/base/asio.hpp"
#include "common/transport/address_order.hpp"
#include "common/transport/congestion.hpp"
#include "common/transport/dial.hpp"
#include "common/transport/server_address.hpp"

namespace tunnel {

// Dials it, and remembers for a short while what its name means, so that a visitor does not cost a
// look-up, and which of its addresses took a connection, so that a visitor does not cost an attempt
// at one that does not.
class OriginServer {
public:
    OriginServer(asio::any_io_executor executor, ServerAddress address,
                 Clock::duration dial_timeout, Congestion congestion)
        : executor_(std::move(executor)),
          address_(std::move(address)),
          dial_timeout_(dial_timeout),
          congestion_(std::move(congestion))
    {
    }

    // Begins to connect at once; nullopt when the name must be looked up first, or when a Unix
    // socket takes nobody now: what dial() then does is up to it.
    std::optional<Dial> begin() const;

    // Where begin() would connect to first, if that is on this machine.
    std::optional<tcp::endpoint> on_this_machine() const;

    const Congestion& congestion() const { return congestion_; }

    // A connection: what `begun` comes to, if there is such. Throws std::system_error. Several may
    // be under way; the object must outlive them.
    awaitable<Fd> dial(std::optional<Dial> begun);

private:
    bool is_known() const;
    awaitable<void> look_up();
    Dial dial_until(Clock::time_point deadline) const;

    asio::any_io_executor executor_;
    ServerAddress address_;
    Clock::duration dial_timeout_;
    Congestion congestion_;
    std::vector<tcp::endpoint> found_; // what its name means
    AddressOrder order_;
    Clock::time_point looked_up_;
};

} // namespace tunnel
