// A service at the remote proxy: its outside address, and the origin proxies that serve it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/asio.hpp"
#include "common/transport/listener.hpp"
#include "remote-proxy/options/service_options.hpp"
#include "remote-proxy/origins/origin_link.hpp"
#include "remote-proxy/registry/tunnels.hpp"
#include "remote-proxy/visitors/counts.hpp"
#include "remote-proxy/visitors/visitor.hpp"
#include "remote-proxy/visitors/visitor_limits.hpp"

namespace tunnel {

struct PublicService {
    // An origin proxy that serves it.
    struct Server {
        OriginLink* link;
        std::uint64_t turn = 0; // higher: it got a visitor later
        // When its origin server last refused a visitor; reset when it takes one.
        std::optional<Clock::time_point> refused{};
        bool is_ill = false; // according to its health checks
    };

    // For so long after a refusal the others are preferred.
    static constexpr Clock::duration avoided_for = std::chrono::seconds(10);

    PublicService(asio::any_io_executor executor, RemoteService its_options, Listener listener,
                  std::uint64_t its_number);

    // Changes the options, except name and address.
    void change(RemoteService wanted);

    // The origin proxy to announce the visitor to. Null: none serves the service, or all have
    // refused this visitor. One with an unhealthy origin server is chosen last, but chosen: checks
    // may be wrong. A visitor whose first bytes were sent to an origin proxy can go to that one
    // only.
    OriginLink* choose(const Visitor& visitor, Clock::time_point now) const;

    // A visitor was announced to it.
    void announced_to(const OriginLink& link);

    // Whether another origin proxy, which has not refused the visitor, can be asked.
    bool has_another_for(const Visitor& visitor) const;

    // Whether a new run has replaced the origin proxy that has the visitor's first bytes.
    bool is_replaced(const Visitor& visitor) const;

    // The key of its saved settings. Unlike the names of services that origin proxies have opened,
    // it does not depend on the order in which they came.
    std::string lasting_name() const;

    // Null: it does not serve this service.
    Server* server(const OriginLink* link);
    Server* server(std::uint64_t link_number);

    // The origin proxy that holds a service which only one may serve; null: this one may serve it.
    // If log-ins need no proof, only one may, since anybody could join.
    OriginLink* holder_before(const OriginLink* link, bool is_anybody) const;

    // Whether an origin proxy serves it and takes visitors.
    bool is_served() const;

    // Whether an origin proxy of this name may serve it.
    bool allows(std::string_view origin) const { return may_serve(options, origin); }

    // Of this run of the remote proxy; the number of no other service.
    const std::uint64_t number;
    const std::shared_ptr<const std::string> name; // that of the options
    RemoteService options;
    // The origin proxy that opened it; the service ends when that is gone for good. Null: it is
    // from the options.
    std::shared_ptr<const OriginName> owner{};
    // Set if it was opened through the management interface.
    std::optional<PublicTunnel> tunnel{};
    bool drained = false; // takes no visitors; set by the management interface
    Listener outside;
    VisitorLimits limits;
    SharedLimits bandwidth;
    std::vector<Server> servers; // in the order of their arrival
    std::uint64_t next_turn = 1;
    std::string absence{}; // why no origin proxy serves it, for people; empty while one does
    std::optional<Clock::time_point>
        outage_ends{};            // when to close the address if no origin proxy comes
    Clock::time_point deserted{}; // when its last origin proxy left
    std::optional<Clock::time_point> full_since{}; // since when visitors cannot be accepted
    Signal opened;
    ServiceCounts counts{};
    bool retired = false; // no more visitors, ever
};

using ServicePointer = std::shared_ptr<PublicService>;
using ServiceMap = std::map<std::string, ServicePointer>; // by name

} // namespace tunnel
