// How a remote proxy leaves its addresses to another process.
#pragma once

#include <functional>
#include <vector>

#include "common/base/asio.hpp"
#include "common/base/task_group.hpp"
#include "common/takeover/handover.hpp"
#include "remote-proxy/control/control_port.hpp"
#include "remote-proxy/fronts/reception.hpp"
#include "remote-proxy/options/options.hpp"
#include "remote-proxy/origins/origin_links.hpp"
#include "remote-proxy/services/public_services.hpp"
#include "remote-proxy/takeover/former_state.hpp"
#include "remote-proxy/visitors/run_state.hpp"
#include "remote-proxy/visitors/visitors.hpp"

namespace tunnel {

// Nobody is accepted between let_go() and the successor's first accept: who connects meanwhile
// stays in the kernel's queue. The origin proxies are told to log in at the successor, and keep
// what is parked here until they are told goodbye: so those visitors of whom more requests, or the
// end of a handshake, are still to come can be served to the end. On the thread of the io_context.
class Departure {
public:
    // Owned by others; all must outlive this.
    struct Uses {
        const RemoteOptions& options;
        RunState& state;
        OriginLinks& links;
        Visitors& visitors;
        Reception& reception;
        PublicServices& services;
        ControlPort& control_port;
        TaskGroup& tasks;
    };

    // `on_end` is called when the last visitor has left, or the grace period is over.
    Departure(Uses uses, std::function<void()> on_end);

    std::vector<Handover::Shared> sockets() const;

    // Waits for visitors who are under way to their origin server, two seconds at most.
    awaitable<FormerState> let_go();

    void take_back();

    void leave();

private:
    void tell_to_move();
    awaitable<void> drain();
    void serve_waiting();
    bool is_deserted() const;

    const Uses uses_;
    const std::function<void()> on_end_;
};

} // namespace tunnel
