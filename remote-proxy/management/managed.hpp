// What the management interface sees of the remote proxy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/turn_watch.hpp"
#include "common/management/events.hpp"
#include "remote-proxy/management/actions.hpp"
#include "remote-proxy/management/status.hpp"
#include "remote-proxy/origins/origin_links.hpp"
#include "remote-proxy/registry/saved_state.hpp"
#include "remote-proxy/visitors/visitor_status.hpp"

namespace tunnel {

// All of it is called on the thread of the io_context.
class ManagedProxy {
public:
    virtual ~ManagedProxy() = default;

    // How it is now.
    virtual RemoteStatus status() const = 0;

    // Visitors that are here, waiting or being served.
    virtual std::size_t visitors() const = 0;

    // Up to `limit` visitors with a higher number than `after`, by their numbers.
    virtual std::vector<VisitorStatus> visitors_after(std::uint64_t after, std::size_t limit,
                                                      VisitorFilter filter) const = 0;

    // The full name of the service that is meant by a name; see ServiceList::meant_by().
    virtual std::optional<std::string> service_meant(const std::string& name) const = 0;

    // Origin proxies that are or were logged in, by the names of their credentials.
    virtual const std::map<std::string, OriginLinks::Client>& clients() const = 0;

    // The changes that are to outlive a restart.
    virtual const SavedState& saved_state() const = 0;

    // The longest turns of its threads since the last call.
    virtual AllTurns take_longest_turns() = 0;

    virtual Actions& actions() = 0;
    virtual EventHub& events() = 0;
};

} // namespace tunnel
