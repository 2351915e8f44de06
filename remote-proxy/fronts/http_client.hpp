// A visitor who speaks HTTP with the remote proxy.
#pragma once

#include <cstdint>
#include <optional>

#include "common/base/asio.hpp"
#include "common/transport/channel.hpp"
#include "remote-proxy/fronts/front.hpp"
#include "remote-proxy/visitors/visitor_limits.hpp"

namespace tunnel {

// Who it is, for as long as the connection lasts.
struct HttpVisitorInfo {
    tcp::endpoint peer;    // the visitor, as far as it is known
    tcp::endpoint outside; // where it arrived
    FrontPointer front{};  // null in tests only
    bool is_proxy = false; // a load balancer of ours, which has said who the visitor is
};

// Between its requests it is here; while one is served it belongs to the service.
struct HttpClient {
    Channel channel;
    HttpVisitorInfo info;
    unsigned requests = 0; // that were answered

    // By a service: it is no new connection to any.
    bool was_let_in = false;

    // Its handshake was let in by the service of its server name, of this number.
    std::optional<VisitorLimits::Permit> permit{};
    std::uint64_t permitted_by = 0;

    // The request that comes next was lost on the stream of another, and is sent once more.
    bool is_retry = false;
};

} // namespace tunnel
