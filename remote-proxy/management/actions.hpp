// What the management interface changes at the remote proxy while it runs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/alarm.hpp"
#include "common/base/asio.hpp"
#include "remote-proxy/origins/origin_links.hpp"
#include "remote-proxy/registry/saved_state.hpp"
#include "remote-proxy/services/service_offers.hpp"
#include "remote-proxy/services/service_table.hpp"
#include "remote-proxy/services/tunnel_set.hpp"
#include "remote-proxy/visitors/run_state.hpp"
#include "remote-proxy/visitors/visitors.hpp"

namespace tunnel {

// All throw SteeringError if the action is not possible; then nothing has changed.
class Actions {
public:
    // Owned by others; all must outlive this.
    struct Uses {
        const RunState& state;
        SavedState& saved;
        const OriginLinks& links;
        ServiceTable& table;
        ServiceOffers& offers;
        TunnelSet& tunnels;
        Visitors& visitors;
        Alarm& alarm;
    };

    explicit Actions(Uses uses);

    // See TunnelSet.
    void set_tunnels(const std::vector<PublicTunnel>& wanted) { tunnels_.set(wanted); }

    // A service takes no more visitors, or takes them again; present visitors stay.
    void drain_service(const std::string& name, bool drained);

    // The same, and present visitors are reset, also those of a service that is gone.
    void close_service(const std::string& meant);

    // An origin proxy gets no more visitors, or gets them again. `name` is that of one origin
    // proxy, or of a credential, for all that share it.
    void drain_origin(const std::string& name, bool drained);

    // Closes its control connection and resets its visitors. It may return at once.
    void close_origin(const std::string& name);

    // Resets one visitor.
    void close_visitor(std::uint64_t id);

private:
    ServicePointer service_named(const std::string& name) const;
    bool resume_departed(const std::string& name);
    void apply_drain(OriginLink& link);

    const RunState& state_;
    SavedState& saved_;
    const OriginLinks& links_;
    ServiceTable& table_;
    const ServiceMap& services_; // of the table
    ServiceOffers& offers_;
    TunnelSet& tunnels_;
    Visitors& visitors_;
    Alarm& alarm_;
};

} // namespace tunnel
