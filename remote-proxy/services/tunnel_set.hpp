// The tunnels that the management interface was told of.
#pragma once

#include <string>
#include <vector>

#include "common/base/asio.hpp"
#include "common/transport/listener.hpp"
#include "remote-proxy/options/options.hpp"
#include "remote-proxy/origins/capacity.hpp"
#include "remote-proxy/origins/origin_links.hpp"
#include "remote-proxy/registry/saved_state.hpp"
#include "remote-proxy/registry/tunnels.hpp"
#include "remote-proxy/services/service_offers.hpp"
#include "remote-proxy/services/service_table.hpp"
#include "remote-proxy/visitors/run_state.hpp"
#include "remote-proxy/visitors/tallies.hpp"

namespace tunnel {

// Opens and closes them. Each is a service for one origin proxy.
class TunnelSet {
public:
    // What is used here and belongs to others. All of it must outlive this.
    struct Uses {
        const RemoteOptions& options;
        const RunState& state;
        SavedState& saved;
        const Capacity& capacity;
        const OriginLinks& links;
        ServiceTable& table;
        ServiceOffers& offers;
        Tallies& tallies;
    };

    explicit TunnelSet(Uses uses);

    // These are the tunnels from now on. One that is there already stays as it is, and one of the
    // same address changes without that being shut; visitors who are being served go on in any
    // case. A new one's origin proxy must be logged in. Throws SteeringError.
    void set(const std::vector<PublicTunnel>& wanted);

    // Those of a former run, in the place of what there is.
    void restore(SavedState state);

    // Opens those that are wanted and could not be opened; the second one at most once in a
    // heartbeat interval.
    void open_missing();
    void open_missing_again(Clock::time_point now);

    // It gives way to a service of the options: it is wanted no more.
    void forget(const PublicTunnel& tunnel) { saved_.forget(tunnel); }

private:
    RemoteService options_of(const PublicTunnel& tunnel) const;
    void must_fit(const std::vector<PublicTunnel>& wanted) const;
    void open_tunnel(const PublicTunnel& tunnel, Listener listener);
    void change_tunnel(const ServicePointer& service, const PublicTunnel& wanted);

    const RemoteOptions& options_;
    const RunState& state_;
    SavedState& saved_;
    const Capacity& capacity_;
    const OriginLinks& links_;
    ServiceTable& table_;
    const ServiceMap& services_; // of the table
    ServiceOffers& offers_;
    Tallies& tallies_;

    Clock::time_point opens_again_{}; // not before this
};

// Refuses with the status that a failure to listen has in threshold's words, as far as it has some.
[[noreturn]] void cannot_listen(const std::system_error& error,
                                SteeringError::Rest rest = SteeringError::Rest::unchanged);

} // namespace tunnel
