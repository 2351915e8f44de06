// How a control connection to a remote proxy is made.
#pragma once

#include <optional>

#include "common/base/asio.hpp"
#include "common/protocol/frame.hpp"
#include "common/security/key.hpp"
#include "common/transport/address.hpp"
#include "common/transport/address_order.hpp"
#include "common/transport/async_channel.hpp"
#include "common/transport/congestion.hpp"
#include "common/transport/dial.hpp"
#include "origin-proxy/link/forward_route.hpp"
#include "origin-proxy/link/trusted_remote.hpp"

namespace tunnel {

// A connection on which the log-in has been sent, and both sides have proved who they are as far as
// the options ask for it. The remote proxy has not answered the log-in yet.
struct Agreed {
    AsyncChannel channel;
    std::optional<Key> session_key{};
};

// Dials one remote proxy, and remembers which address of its name worked last.
class ControlDialler {
public:
    // Each step below has the time limit for itself: the look-up, connecting, what the forward
    // proxy takes, and agreeing.
    ControlDialler(asio::io_context& io, Address address, Clock::duration timeout,
                   Congestion congestion, Route route = {});

    const Address& address() const { return address_; }

    // Looks the name up and connects to one of its addresses; on a route, to one of the forward
    // proxy's, and has that connect. Throws std::system_error.
    awaitable<AsyncChannel> dial();

    const Route& route() const { return route_; }

    // For dials to come.
    void take(Route route);

    // Agrees on the encryption and sends the log-in, without encryption with the proofs of the
    // secret. Throws std::system_error, also for a peer that is no remote proxy. `trust` must
    // outlive it, but may be assigned to meanwhile.
    awaitable<Agreed> agree(AsyncChannel channel, const TrustedRemote& trust, LogIn log_in) const;

private:
    awaitable<AsyncChannel> reach(Route route);
    awaitable<AsyncChannel> connect(Dial& dial);
    awaitable<void> agree_in_time(Agreed& agreed, const TrustedRemote& trust, LogIn& log_in) const;

    asio::io_context& io_;
    const Address address_;
    Clock::duration timeout_;
    Congestion congestion_;
    Route route_;
    AddressOrder order_; // of what its host means, or the forward proxy's
};

} // namespace tunnel
