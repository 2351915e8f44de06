#pragma once

#include "common/relay/relay.hpp"
#include "remote-proxy/control/control_port.hpp"
#include "remote-proxy/control/log_ins.hpp"
#include "remote-proxy/fronts/reception.hpp"
#include "remote-proxy/management/status.hpp"
#include "remote-proxy/origins/capacity.hpp"
#include "remote-proxy/origins/origin_links.hpp"
#include "remote-proxy/services/public_services.hpp"
#include "remote-proxy/visitors/run_state.hpp"
#include "remote-proxy/visitors/tallies.hpp"
#include "remote-proxy/visitors/visitors.hpp"

namespace tunnel {

// Whose state it is.
struct StatusSources {
    const RunState& state;
    const OriginLinks& links;
    const Capacity& capacity;
    const Visitors& visitors;
    const Reception& reception;
    const PublicServices& services;
    const Tallies& tallies;
    const ControlPort& control_port;
    const LogIns& log_ins;
    const Relay& relay;
};

RemoteStatus status_of(const StatusSources& of);

} // namespace tunnel
