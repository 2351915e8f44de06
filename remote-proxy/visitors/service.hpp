// One service, as the remote proxy has it: where its visitors come, and who serves them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/asio.hpp"
#include "common/transport/listener.hpp"
#include "remote-proxy/management/status.hpp"
#include "remote-proxy/origins/origin_link.hpp"
#include "remote-proxy/registry/registered_service.hpp"
#include "remote-proxy/visitors/visitor.hpp"
#include "remote-proxy/visitors/visitor_limits.hpp"

namespace tunnel {

struct PublicService {
    // An origin proxy that serves it now.
    struct Server {
        OriginLink* link;
        std::uint64_t turn = 0; // the higher, the later it got a visitor
        // When its origin server last refused a visitor, if it has taken none since.
        std::optional<Clock::time_point> refused{};
        bool is_unhealthy = false; // so its checks say
    };

    // How long one whose origin server refused a visitor comes after the others.
    static constexpr Clock::duration avoided_for = std::chrono::seconds(10);

    PublicService(asio::any_io_executor executor,
                  std::shared_ptr<const RegisteredService> its_registered, Listener listener);

    // These rules will be those of the options.
    void apply(const ServiceRules& rules);

    // Whom to tell of the visitor: null, if nobody serves it who has not refused this one before.
    // One whose origin server is unhealthy comes last, and is better than nobody: checks may be
    // wrong. One whose first bytes were sent to an origin proxy may be told to that one alone.
    OriginLink* choose(const Visitor& visitor, Clock::time_point now) const;

    // It was told of a visitor.
    void told(const OriginLink& link);

    // The origin proxy that it was announced to has refused it, and there is one who has not.
    bool has_another_for(const Visitor& visitor) const;

    // Another run of the origin proxy to which the visitor's first bytes went has its place.
    bool is_replaced(const Visitor& visitor) const;

    // Null: it does not serve this.
    Server* server(const OriginLink* link);
    Server* server(std::uint64_t link_number);

    // An origin proxy serves it that takes visitors.
    bool is_served() const { return registered->is_served; }

    const std::shared_ptr<const RegisteredService> registered; // changes with the registry
    const RemoteService& options;                              // of the same
    const std::uint64_t number;                                // as well
    const std::shared_ptr<const std::string> name;             // as well
    Listener outside;
    VisitorLimits limits;
    SharedLimits bandwidth;
    std::vector<Server> servers; // by the time they came
    std::uint64_t next_turn = 1;
    std::optional<Clock::time_point> full_since{}; // the last visitor came who could be taken
    Signal opened;
    ServiceCounts counts{};
    bool retired = false; // no more visitors, ever
};

using ServicePointer = std::shared_ptr<PublicService>;

} // namespace tunnel
