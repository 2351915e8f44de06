// What the registry wants done.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "common/base/asio.hpp"
#include "common/protocol/frame.hpp"
#include "remote-proxy/options/service_options.hpp"
#include "remote-proxy/registry/registered_service.hpp"

namespace tunnel {

// Whether an effect gets a line in the log. An origin proxy may change its services as fast as it
// likes, so lines beyond its budget are only counted.
enum class Report : std::uint8_t { none, line, count };

namespace effect {

// Listen there, or with the same host at any port of these that is free. Answered by
// OfferAnswers::listening() or cannot_listen().
struct Listen {
    tcp::endpoint where;
    PortRanges any_of{};
    std::string service{}; // its lasting name
};

// A service with names comes, which needs no listener of its own. Answered by
// OfferAnswers::listening() with the address of the first front for this kind.
struct Route {
    ServiceKind kind;
};

// Take connections at the service's address. Answered by OfferAnswers::opened() or cannot_listen().
struct Open {
    RegisteredServicePointer service;
};

// The origin proxy has begun or stopped to serve the service, or its health has changed: announce
// visitors accordingly, waiting ones too. 0: no origin proxy has changed, announce only.
struct Serve {
    RegisteredServicePointer service;
    std::uint64_t link;
};

// Give up the service's address and send its waiting visitors away. Served visitors go on.
struct Close {
    RegisteredServicePointer service;
    std::string_view why; // a literal
    Report report;
};

// Send the frame: an Opened or a Declined.
struct Tell {
    std::uint64_t link;
    Frame frame;
    Report report = Report::none;
};

struct ReportHealth {
    std::uint64_t link;
    ServerHealth health;
    Report report;
};

// A tunnel is not served by an origin proxy that offers what it leads to.
struct ReportNotServed {
    std::uint64_t link;
    RegisteredServicePointer service;
    std::string_view why; // a literal
};

// Ask the origin proxy whether it is still there, and call Registry::heard() when it sends
// anything. Not wanted: the answer does not matter any more.
struct Ask {
    std::uint64_t link;
    bool is_wanted;
};

// End the origin proxy's connection and call Registry::log_out(). Its only service is gone, or it
// is silent and others want what it had.
struct Drop {
    std::uint64_t link;
    bool is_silent;
};

} // namespace effect

using Effect = std::variant<effect::Listen, effect::Route, effect::Open, effect::Serve,
                            effect::Close, effect::Tell, effect::ReportHealth,
                            effect::ReportNotServed, effect::Ask, effect::Drop>;

} // namespace tunnel
