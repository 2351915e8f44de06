// Somebody who has connected to an outside address.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/asio.hpp"
#include "common/net/fd.hpp"
#include "common/protocol/ids.hpp"
#include "common/relay/bandwidth.hpp"
#include "common/relay/relay.hpp"
#include "remote-proxy/visitor_limits.hpp"

namespace tunnel {

struct PublicService;
struct Carrier;
class OriginName;

// Why somebody or something ended that the management interface was asked to end.
inline constexpr std::string_view closed_by_management = "closed by the management interface";

// Counts one visitor among those of an origin proxy while it lives.
class Share {
public:
    Share() = default; // of nobody

    explicit Share(std::shared_ptr<std::size_t> visitors) : visitors_(std::move(visitors))
    {
        ++*visitors_;
    }

    Share(Share&&) noexcept = default;

    Share& operator=(Share&& other) noexcept
    {
        if (this != &other) {
            leave();
            visitors_ = std::move(other.visitors_);
        }
        return *this;
    }

    ~Share() { leave(); }

private:
    void leave() noexcept
    {
        if (visitors_)
            --*visitors_;
        visitors_.reset();
    }

    // Shared with the origin proxy's link, which may end before its visitors do.
    std::shared_ptr<std::size_t> visitors_;
};

struct Visitor {
    Fd socket;           // prepared: closing it resets the visitor
    std::string address; // "ip:port"
    Clock::time_point arrived;
    asio::ip::address ip{}; // of the same address
    // It was announced with this one, but it is not known whether that was heard: it must be
    // announced with the same, so that it is not served twice.
    std::optional<Ticket> ticket{};
    // Its first bytes may have gone to this one, so nobody else may have them.
    std::optional<OriginId> sent_to{};
    std::shared_ptr<const OriginName> sent_to_name{}; // of the same
    bool broken_off = false; // a data connection that had come for it broke
    VisitorLimits::Place place{};
    std::weak_ptr<PublicService> service{};
    std::shared_ptr<const Carrier> carrier{};          // once it is being served
    std::uint64_t service_number = 0;                  // of the same
    std::shared_ptr<const std::string> service_name{}; // also when that is gone
    std::string outside{};                             // "ip:port" where it arrived
    std::uint64_t told_to = 0; // the number of the link that it was announced on last
    Share share{};             // of that one's origin proxy
    // That one's too, also when its link is gone.
    std::shared_ptr<SharedLimits> origin_bandwidth{};
    std::vector<OriginId> refused_by{};
    Guard guard = nullptr; // of its first bytes
    std::uint64_t id = 0;  // of this run of the remote proxy, from 1; of no other visitor
    std::shared_ptr<const OriginName> origin_name{}; // of whom it was announced to last
};

} // namespace tunnel
