// A service at the remote proxy, and the origin proxies that serve it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/asio.hpp"
#include "common/http/logins.hpp"
#include "remote-proxy/http/http_service_counts.hpp"
#include "remote-proxy/origins/origin_link.hpp"
#include "remote-proxy/registry/registered_service.hpp"
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
        bool is_unhealthy = false; // according to its health checks
    };

    // For so long after a refusal the others are preferred.
    static constexpr Clock::duration avoided_for = std::chrono::seconds(10);

    explicit PublicService(std::shared_ptr<const RegisteredService> its_registered);

    // These rules will be those of the options.
    void apply(const ServiceRules& rules);

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

    // Null: it does not serve this service.
    Server* server(const OriginLink* link);
    Server* server(std::uint64_t link_number);

    // Whether an origin proxy serves it and takes visitors.
    bool is_served() const { return registered->is_served; }

    const std::shared_ptr<const RegisteredService> registered; // changes with the registry
    const RemoteService& options;                              // of the same
    const std::uint64_t number;                                // as well
    const std::shared_ptr<VisitedService> visited;             // tells of it, to its visitors
    VisitorLimits limits;
    SharedLimits bandwidth;
    std::vector<Server> servers; // in the order of their arrival
    std::uint64_t next_turn = 1;
    ServiceCounts counts{};
    // Of visitors who speak HTTP; most services have none. The relay's workers count, too.
    const std::shared_ptr<HttpServiceCounts>& requests();

    // Who may come, by lines of its registered settings; null: not read yet.
    std::shared_ptr<const Logins> logins{};
    std::vector<std::string> login_lines{};                // that were read
    std::shared_ptr<HttpServiceCounts> counted_requests{}; // null: none yet
    bool retired = false;                                  // no more visitors, ever
};

using ServicePointer = std::shared_ptr<PublicService>;

} // namespace tunnel
