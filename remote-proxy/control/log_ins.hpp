// The origin proxies at the remote proxy: who may log in, and what each says until it leaves.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "common/base/asio.hpp"
#include "common/management/events.hpp"
#include "common/protocol/frame.hpp"
#include "remote-proxy/control/control_port.hpp"
#include "remote-proxy/options/options.hpp"
#include "remote-proxy/origins/capacity.hpp"
#include "remote-proxy/origins/idle_pool.hpp"
#include "remote-proxy/origins/origin_bandwidths.hpp"
#include "remote-proxy/origins/origin_links.hpp"
#include "remote-proxy/services/public_services.hpp"
#include "remote-proxy/services/tunnel_set.hpp"
#include "remote-proxy/trust/trusted_origins.hpp"
#include "remote-proxy/visitors/run_state.hpp"
#include "remote-proxy/visitors/tallies.hpp"
#include "remote-proxy/visitors/visitors.hpp"

namespace tunnel {

class LogIns {
public:
    // What is used here and belongs to others. All of it must outlive this.
    struct Uses {
        const RemoteOptions& options;
        const RunState& state;
        const TrustedOrigins& trust;
        const Capacity& capacity;
        OriginLinks& links;
        PublicServices& services;
        TunnelSet& tunnels;
        Visitors& visitors;
        ControlPort& control_port;
        Tallies& tallies;
        EventHub& events;
    };

    explicit LogIns(Uses uses);

    // What has arrived at the control port, as long as that lives.
    awaitable<void> serve(ControlPort::Arrival arrival);

    // After the trusted origins have changed: ends the visitors of those that are trusted no
    // longer, and their control connections.
    void end_visitors_of_the_untrusted();
    void cut_off_the_untrusted();

    // Of each origin proxy, from now on.
    void change_bandwidths(OriginBandwidths::ByName rates) { origin_bandwidths_.change(rates); }

    // Since the start.
    std::uint64_t count() const { return log_ins_; }

    // Data connections that wait for a visitor.
    std::size_t parked() const { return idle_room_.taken(); }

private:
    awaitable<void> log_in(ControlPort::AsksToLogIn asks);
    awaitable<void> park(ControlPort::Connection connection, SessionId session);

    bool trusts(const Identity& identity) const
    {
        return trust_.trusts(identity.name, identity.credential);
    }

    bool replace_former(const Identity& identity, const LogIn& log_in);
    std::optional<Reject> too_many_links(const Identity& identity) const;
    awaitable<std::optional<Reject>> wait_for_holder(ControlPort::Connection& connection,
                                                     const LogIn& log_in);
    std::optional<Reject> objection_to(const Identity& identity, const LogIn& log_in) const;
    awaitable<void> serve_origin(ControlPort::Connection connection, LogIn log_in);
    void on_frame(OriginLink& link, Frame& frame);
    void on_heartbeat(OriginLink& link);

    const RemoteOptions& options_;
    const RunState& state_;
    const TrustedOrigins& trust_;
    const Capacity& capacity_;
    OriginLinks& links_; // each lives in a coroutine serve_origin
    PublicServices& services_;
    TunnelSet& tunnels_;
    Visitors& visitors_;
    ControlPort& control_port_;
    Tallies& tallies_;
    EventHub& events_;

    IdleRoom idle_room_;
    OriginBandwidths origin_bandwidths_;
    std::uint64_t log_ins_ = 0;
};

} // namespace tunnel
