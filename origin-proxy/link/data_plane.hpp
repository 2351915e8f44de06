// What all links of an origin proxy share to serve their visitors.
#pragma once

#include "common/base/asio.hpp"
#include "common/relay/relay.hpp"
#include "common/transport/idle_watch.hpp"
#include "origin-proxy/link/counts.hpp"
#include "origin-proxy/link/data_dialler.hpp"
#include "origin-proxy/link/visitor_slots.hpp"
#include "origin-proxy/options/options.hpp"
#include "origin-proxy/servers/services.hpp"

namespace tunnel {

// It must outlive the links.
struct DataPlane {
    // There are no slots for visitors until their number is set.
    DataPlane(asio::io_context& io, const OriginOptions& options);

    Services services;
    DataDialler dialler;
    IdleWatch idle; // connections that wait for a visitor; the relay's poll() works it
    Relay relay;
    SharedLimits bandwidth; // of all visitors together
    VisitorSlots slots;
    OriginCounts counts;
};

} // namespace tunnel
