// The visitors that the relay serves.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>

#include "common/base/asio.hpp"
#include "common/relay/relay.hpp"
#include "remote-proxy/visitors/visitor.hpp"

namespace tunnel {

class ServedVisitors {
public:
    // Called on the thread of the io_context. `flow` says how it ended.
    using OnEnd = std::function<void(Visitor visitor, Flow flow)>;

    // `io` must outlive it. `relay` must have been stopped before it ends: the pairs there look at
    // what is here.
    ServedVisitors(asio::io_context& io, Relay& relay, OnEnd on_end)
        : io_(io), relay_(relay), on_end_(std::move(on_end))
    {
    }

    // Hands an announced visitor to the relay, with its data connection.
    void serve(Visitor visitor, Channel data, std::optional<FramedStream> framed);

    std::size_t size() const { return served_.size(); }

    bool contains(std::uint64_t id) const { return served_.contains(id); }

    bool any(const std::function<bool(const Visitor&)>& which) const;

    // Resets those that `which` selects, for the management interface.
    void end(const std::function<bool(const Visitor&)>& which);

    // Cuts visitors of the log-ins that `which` selects.
    void end_of(const std::function<bool(const Carrier&)>& which);

    // Calls `look` with each that has a number above `after`, in order, until it answers false.
    template <class Look>
    void look_at(std::uint64_t after, const Look& look) const
    {
        for (auto next = served_.upper_bound(after); next != served_.end(); ++next) {
            if (!look(next->second.visitor, next->second.view))
                return;
        }
    }

private:
    struct Served {
        explicit Served(Visitor its) : visitor(std::move(its)) {}

        Visitor visitor;
        PairView view{};
    };

    using All = std::map<std::uint64_t, Served>; // by number

    void take_back(All::iterator place, Flow flow);

    asio::io_context& io_;
    Relay& relay_;
    OnEnd on_end_;
    All served_;
};

} // namespace tunnel
