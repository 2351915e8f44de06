// Connections to the remote proxy, as its options and what was agreed at log-in ask for them.
#pragma once

#include <optional>
#include <string>

#include "common/base/asio.hpp"
#include "common/security/handshake.hpp"
#include "common/security/session.hpp"
#include "common/transport/channel.hpp"
#include "common/transport/congestion.hpp"
#include "common/transport/dial.hpp"
#include "origin-proxy/link/forward_route.hpp"

namespace tunnel {

// What holds from a welcome to the end of its control connection.
struct Session {
    tcp::endpoint remote; // the remote proxy's, or on a route the forward proxy's
    Route route{};
    SessionId id{};
    std::optional<Key> key{}; // only the remote proxy and we know
    bool framed = false;      // so are the streams of its data connections
    bool encrypted = false;

    // The address of the remote proxy, for people.
    std::string address() const;

    // Its data connections prove in clear that they are ours.
    bool proves() const { return key && !encrypted; }
};

// Data connections.
class DataDialler {
public:
    DataDialler(asio::io_context& io, Clock::duration timeout, Congestion congestion);

    // To the address that the control connection has: behind the name there may be several remote
    // proxies, and the visitor is at this one.
    Dial begin(const Session& session) const;

    // Connected, encrypted if the session is, and prepared for the relay. `once` tells it
    // from all other connections of the session. Throws std::system_error; each of its steps has
    // the time limit for itself.
    awaitable<Channel> finish(Dial begun, Session session, RandomBytes once) const;

private:
    asio::io_context& io_;
    Clock::duration timeout_;
    Congestion congestion_;
    TlsContext context_;
};

} // namespace tunnel
