// The streams on which the requests of visitors go to origin proxies.
#pragma once

#include <optional>

#include "common/base/alarm.hpp"
#include "common/relay/relay.hpp"
#include "common/transport/idle_watch.hpp"
#include "remote-proxy/origins/capacity.hpp"
#include "remote-proxy/origins/origin_links.hpp"
#include "remote-proxy/visitors/run_state.hpp"
#include "remote-proxy/visitors/service.hpp"
#include "remote-proxy/visitors/stream_pool.hpp"
#include "remote-proxy/visitors/visitor.hpp"

namespace tunnel {

// Decides what becomes of a stream when its visitor is handed back: it goes to the next visitor, or
// it is ended, and its data connection becomes idle.
class HttpStreams {
public:
    // Owned by others; all must outlive this.
    struct Uses {
        const Capacity& capacity;
        const RunState& state;
        const OriginLinks& links;
        Alarm& alarm;
        IdleWatch& watch;
    };

    explicit HttpStreams(Uses uses);

    // One that this visitor's requests may use. nullopt: there is none.
    std::optional<HttpStream> take(const PublicService& service, const OriginLink& link,
                                   const Visitor& visitor);

    // Of a visitor that is handed back.
    void keep(const Visitor& visitor, Flow& flow);

    StreamPool& pool() { return pool_; }

    const StreamPool& pool() const { return pool_; }

private:
    const Uses uses_;
    StreamPool pool_;
};

} // namespace tunnel
