// From the outside into the remote proxy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <variant>

#include "common/base/asio.hpp"
#include "common/base/counted.hpp"
#include "common/transport/channel.hpp"
#include "remote-proxy/options/options.hpp"
#include "remote-proxy/origins/capacity.hpp"
#include "remote-proxy/visitors/service.hpp"
#include "remote-proxy/visitors/tallies.hpp"
#include "remote-proxy/visitors/visitor_records.hpp"
#include "remote-proxy/visitors/waiting_room.hpp"

namespace tunnel {

// Decides who is let in: by the service's limits, and as long as there is room.
class Admission {
public:
    // Owned by others; all must outlive this.
    struct Uses {
        const RemoteOptions& options;
        const Capacity& capacity;
        Tallies& tallies;
        VisitorRecords& records;
        WaitingRoom& room;
        Signal& left; // a visitor has left
    };

    struct Hooks {
        std::function<std::size_t()> served; // how many visitors the relay has
        std::function<void(const ServicePointer& service, Visitor visitor)> admitted;
        // Resets a waiting visitor whose place another one gets.
        std::function<void(Visitor visitor, const Reason& why)> give_up;
    };

    // A connection whose service is known.
    struct Arrival {
        Channel channel;
        tcp::endpoint peer;                       // the visitor
        tcp::endpoint outside;                    // where it arrived; default: unknown
        Guard guard = nullptr;                    // checks its first bytes
        std::unique_ptr<HttpExchange> exchange{}; // if it speaks HTTP with us
    };

    Admission(Uses uses, Hooks hooks);

    // There are as many visitors as there are descriptors for.
    bool is_full() const
    {
        return unidentified_ + room_.size() + hooks_.served() >= capacity_.visitors();
    }

    // Whether the service's limits let a visitor from there in. nullopt: they do not, and that is
    // noted.
    std::optional<VisitorLimits::Permit> permit(PublicService& service, const tcp::endpoint& peer);

    // The same, and which limit it is.
    std::variant<VisitorLimits::Permit, Refusal>
    decide(PublicService& service, const tcp::endpoint& peer, bool is_new = true);

    // Lets the visitor in, or resets it for want of room; a request is answered with that.
    void admit(const ServicePointer& service, Arrival arrival, VisitorLimits::Permit permit);

    // Resets a connection for which there are no descriptors. Null: of no service that is known.
    void turn_away(const PublicService* service, Channel channel, const tcp::endpoint& peer);

    // A visitor is here while it lives whose PROXY header has not arrived yet.
    Counted count_unidentified() { return Counted(unidentified_); }

    std::size_t unidentified() const { return unidentified_; }

    VisitorRecords& records() { return records_; }

    // A visitor has left.
    Signal& left() { return left_; }

private:
    bool find_room(const PublicService& service, const asio::ip::address& address,
                   const Reason& reason);

    const RemoteOptions& options_;
    const Capacity& capacity_;
    Tallies& tallies_;
    VisitorRecords& records_;
    WaitingRoom& room_;
    Signal& left_;
    const Hooks hooks_;
    std::size_t unidentified_ = 0;
    std::uint64_t latest_visitor_ = 0;
};

} // namespace tunnel
