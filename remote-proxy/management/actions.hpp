// What the management interface changes at the remote proxy while it runs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/asio.hpp"
#include "remote-proxy/origins/origin_links.hpp"
#include "remote-proxy/services/public_services.hpp"
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
        const OriginLinks& links;
        PublicServices& services;
        TunnelSet& tunnels;
        Visitors& visitors;
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
    void must_be_possible() const;
    RegisteredServicePointer service_named(const std::string& name) const;
    bool resume_departed(const std::string& name);

    const RunState& state_;
    const OriginLinks& links_;
    PublicServices& services_;
    TunnelSet& tunnels_;
    Visitors& visitors_;
};

} // namespace tunnel
