// A connection that has been accepted at a front.
#pragma once

#include "common/base/asio.hpp"
#include "common/base/fd.hpp"
#include "common/relay/relay.hpp"
#include "remote-proxy/fronts/front.hpp"

namespace tunnel {

struct Newcomer {
    Fd socket;
    tcp::endpoint peer;    // the visitor, as far as it is known
    tcp::endpoint outside; // where it arrived
    Guard guard;           // checks its first bytes
    FrontPointer front;
    Clock::time_point since;
    bool is_proxy = false; // who the visitor is, a load balancer of ours has said
};

} // namespace tunnel
