// A visitor: a connection to an outside address.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/asio.hpp"
#include "common/base/ids.hpp"
#include "common/protocol/frame.hpp"
#include "common/relay/relay.hpp"
#include "common/transport/channel.hpp"
#include "common/transport/socket.hpp"
#include "remote-proxy/http/http_exchange.hpp"
#include "remote-proxy/options/service_options.hpp"
#include "remote-proxy/visitors/attempt.hpp"
#include "remote-proxy/visitors/visitor_limits.hpp"

namespace tunnel {

struct PublicService;

// What all visitors of a service share; valid when the service is gone, too.
struct VisitedService {
    std::string name;
    std::uint64_t number = 0;
    std::weak_ptr<PublicService> service{};
};

// Small, since each one that is served has one, and most of them are idle: what can be made of
// something else is made when it is needed.
struct Visitor {
    Channel channel; // prepared: closing it resets the visitor
    Clock::time_point arrived;
    tcp::endpoint peer;
    tcp::endpoint outside{};       // where it arrived; default: unknown
    bool awaits_successor = false; // the origin proxy that refused it leaves: another may come
    bool broken_off = false;       // a data connection for it broke before the start
    VisitorLimits::Permit permit{};
    std::shared_ptr<const VisitedService> visited{}; // null in tests only
    Guard guard = nullptr;                           // checks its first bytes
    std::uint64_t id = 0; // counts from 1; unique in this run of the remote proxy
    std::optional<Attempt> attempt{};
    std::optional<EarlyAnnouncement> early{};
    std::unique_ptr<std::vector<OriginId>> refused_by{}; // null: by nobody
    std::unique_ptr<HttpExchange>
        exchange{}; // null: its bytes pass as they are, or the relay has it

    // "ip:port".
    std::string address() const { return to_string(peer); }

    const std::string& service_name() const { return visited->name; }

    std::uint64_t service_number() const { return visited ? visited->number : 0; }

    // Null: it is gone.
    std::shared_ptr<PublicService> service() const
    {
        return visited ? visited->service.lock() : nullptr;
    }

    bool was_refused_by(const OriginId& origin) const
    {
        return refused_by && std::ranges::find(*refused_by, origin) != refused_by->end();
    }

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
