// Somebody who has connected to an outside address.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/asio.hpp"
#include "common/base/fd.hpp"
#include "common/base/ids.hpp"
#include "common/relay/relay.hpp"
#include "remote-proxy/visitors/attempt.hpp"
#include "remote-proxy/visitors/visitor_limits.hpp"

namespace tunnel {

struct PublicService;

struct Visitor {
    Fd socket;           // prepared: closing it resets the visitor
    std::string address; // "ip:port"
    Clock::time_point arrived;
    asio::ip::address ip{}; // of the same address
    VisitorLimits::Place place{};
    std::weak_ptr<PublicService> service{};
    std::uint64_t service_number = 0;                  // of the same
    std::shared_ptr<const std::string> service_name{}; // also when that is gone
    std::string outside{};                             // "ip:port" where it arrived
    Guard guard = nullptr;                             // of its first bytes
    std::uint64_t id = 0; // of this run of the remote proxy, from 1; of no other visitor
    std::optional<Attempt> attempt{};
    std::optional<EarlyAnnouncement> early{};
    std::vector<OriginId> refused_by{};
    bool broken_off = false; // a data connection that had come for it broke

    // The number of the link that it was announced on; 0: none.
    std::uint64_t announced_on() const { return attempt ? attempt->by().link : 0; }

    // The name of whom it was announced to; null: nobody.
    const OriginName* origin() const { return attempt ? attempt->by().name.get() : nullptr; }

    // The only one who may serve it; null: anybody may.
    const Carrier* only_for() const { return early ? early->has_first_bytes.get() : nullptr; }

    // It may be announced again afterwards.
    void end_attempt(AttemptEnd how);
};

} // namespace tunnel
