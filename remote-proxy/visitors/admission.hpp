// From the outside address into the remote proxy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "common/base/asio.hpp"
#include "common/base/task_group.hpp"
#include "common/transport/listener.hpp"
#include "remote-proxy/options/options.hpp"
#include "remote-proxy/origins/capacity.hpp"
#include "remote-proxy/visitors/run_state.hpp"
#include "remote-proxy/visitors/service.hpp"
#include "remote-proxy/visitors/tallies.hpp"
#include "remote-proxy/visitors/visitor_records.hpp"
#include "remote-proxy/visitors/waiting_room.hpp"

namespace tunnel {

// Accepts visitors, asks those of a load balancer who they are, and decides who is let in: by the
// service's limits, and as long as there is room.
class Admission {
public:
    // Owned by others; all must outlive this.
    struct Uses {
        const RemoteOptions& options;
        const Capacity& capacity;
        const RunState& state;
        Tallies& tallies;
        VisitorRecords& records;
        TaskGroup& tasks;
        WaitingRoom& room;
        Signal& left; // a visitor has left
    };

    struct Hooks {
        std::function<std::size_t()> served; // how many visitors the relay has
        std::function<void(const ServicePointer& service, Visitor visitor)> admitted;
        // Resets a waiting visitor whose place another one gets.
        std::function<void(Visitor visitor, const Reason& why)> give_up;
    };

    Admission(Uses uses, Hooks hooks);

    // Accepts the service's visitors until it is retired.
    void accept(const ServicePointer& service);

    // Accepts visitors who have connected already, without waiting for more.
    void accept_connected(const ServicePointer& service);

    // Visitors whose PROXY header has not arrived yet.
    std::size_t unidentified() const { return unidentified_; }

private:
    static constexpr int accept_batch = 64; // then others have a turn

    awaitable<void> accept_visitors(ServicePointer service);
    awaitable<bool> make_room(PublicService& service);

    bool is_full() const
    {
        return unidentified_ + room_.size() + hooks_.served() >= capacity_.visitors();
    }

    bool find_room(const PublicService& service, const asio::ip::address& address,
                   const Reason& reason);
    void welcome(const ServicePointer& service, Listener::Accepted accepted);
    awaitable<void> identify(ServicePointer service, Listener::Accepted accepted);
    void admit(const ServicePointer& service, Listener::Accepted accepted,
               const tcp::endpoint& outside, Guard guard);

    const RemoteOptions& options_;
    const Capacity& capacity_;
    const RunState& state_;
    Tallies& tallies_;
    VisitorRecords& records_;
    TaskGroup& tasks_;
    WaitingRoom& room_;
    Signal& left_;
    const Hooks hooks_;
    std::size_t unidentified_ = 0;
    std::uint64_t latest_visitor_ = 0;
};

} // namespace tunnel
