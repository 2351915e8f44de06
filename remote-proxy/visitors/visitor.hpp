// A visitor: a connection to an outside address.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/asio.hpp"
#include "common/base/ids.hpp"
#include "common/protocol/frame.hpp"
#include "common/relay/relay.hpp"
#include "common/transport/channel.hpp"
#include "remote-proxy/options/service_options.hpp"
#include "remote-proxy/visitors/attempt.hpp"
#include "remote-proxy/visitors/visitor_limits.hpp"

namespace tunnel {

struct PublicService;

struct Visitor {
    Channel channel;     // prepared: closing it resets the visitor
    std::string address; // "ip:port"
    Clock::time_point arrived;
    asio::ip::address ip{}; // from `address`
    VisitorLimits::Permit permit{};
    std::weak_ptr<PublicService> service{};
    std::uint64_t service_number = 0;                  // of `service`
    std::shared_ptr<const std::string> service_name{}; // valid when the service is gone, too
    std::string outside{};                             // "ip:port" where it arrived
    Guard guard = nullptr;                             // checks its first bytes
    std::uint64_t id = 0; // counts from 1; unique in this run of the remote proxy
    std::optional<Attempt> attempt{};
    std::optional<EarlyAnnouncement> early{};
    std::vector<OriginId> refused_by{};
    bool broken_off = false; // a data connection for it broke before the start

    // The number of the link of its announcement; 0: none.
    std::uint64_t announced_on() const { return attempt ? attempt->by().link : 0; }

    // The name of the origin proxy that it is announced to; null: none.
    const OriginName* origin() const { return attempt ? attempt->by().name.get() : nullptr; }

    // The only origin proxy that may serve it; null: any may.
    const Carrier* only_for() const { return early ? early->has_first_bytes.get() : nullptr; }

    // It may be announced again afterwards.
    void end_attempt(AttemptEnd how);
};

// What an origin proxy is told of a visitor of this service.
Announce announcement(const Ticket& ticket, const Visitor& visitor, const RemoteService& service);

} // namespace tunnel
