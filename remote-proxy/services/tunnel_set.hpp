// The tunnels that the management interface was told of.
#pragma once

#include <string>
#include <vector>

#include "common/base/asio.hpp"
#include "remote-proxy/options/options.hpp"
#include "remote-proxy/origins/capacity.hpp"
#include "remote-proxy/origins/origin_links.hpp"
#include "remote-proxy/registry/saved_state.hpp"
#include "remote-proxy/registry/tunnels.hpp"
#include "remote-proxy/services/public_services.hpp"
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
        const Capacity& capacity;
        const OriginLinks& links;
        PublicServices& services;
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

private:
    PublicServices::Wanted service_of(const PublicTunnel& tunnel) const;
    void must_fit(const std::vector<PublicTunnel>& wanted) const;

    const RemoteOptions& options_;
    const RunState& state_;
    const Capacity& capacity_;
    const OriginLinks& links_;
    PublicServices& services_;
    Tallies& tallies_;

    Clock::time_point opens_again_{}; // not before this
};

// Refuses with the status that a failure to listen has in threshold's words, as far as it has some.
[[noreturn]] void cannot_listen(const std::system_error& error,
                                SteeringError::Rest rest = SteeringError::Rest::unchanged);

} // namespace tunnel
