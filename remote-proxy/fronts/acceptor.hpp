// Accepts the visitors of all fronts.
#pragma once

#include "common/base/asio.hpp"
#include "common/base/task_group.hpp"
#include "common/transport/listener.hpp"
#include "remote-proxy/fronts/front.hpp"
#include "remote-proxy/fronts/newcomer.hpp"
#include "remote-proxy/options/options.hpp"
#include "remote-proxy/visitors/admission.hpp"
#include "remote-proxy/visitors/run_state.hpp"
#include "remote-proxy/visitors/tallies.hpp"

namespace tunnel {

// Visitors of a front whose service is found by what they say first.
class NamedVisitors {
public:
    NamedVisitors() = default;
    NamedVisitors(const NamedVisitors&) = delete;
    NamedVisitors& operator=(const NamedVisitors&) = delete;
    virtual ~NamedVisitors() = default;

    virtual void take(Newcomer newcomer) = 0;
};

// Asks those of a load balancer who they are, and passes all on: to the only service of the front,
// or to those who find out which is meant.
class Acceptor {
public:
    // Owned by others; all must outlive this.
    struct Uses {
        const RemoteOptions& options;
        const RunState& state;
        Tallies& tallies;
        TaskGroup& tasks;
        Admission& admission;
        NamedVisitors& tls;
        NamedVisitors& http;
    };

    explicit Acceptor(Uses uses) : uses_(uses) {}

    // Accepts the front's visitors until it is retired.
    void accept(const FrontPointer& front);

    // Accepts visitors who have connected already, without waiting for more.
    void accept_connected(const FrontPointer& front);

private:
    static constexpr int accept_batch = 64; // then others have a turn

    bool has_room(const Front& front) const;

    awaitable<void> accept_visitors(FrontPointer front);
    awaitable<bool> make_room(Front& front);
    const ServiceRules& rules_of(const Front& front) const;
    void welcome(const FrontPointer& front, Listener::Accepted accepted);
    awaitable<void> identify(FrontPointer front, Listener::Accepted accepted);
    void pass_on(const FrontPointer& front, Listener::Accepted accepted,
                 const tcp::endpoint& outside, Guard guard, bool is_proxy);

    const Uses uses_;
};

} // namespace tunnel
