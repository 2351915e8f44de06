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

// Whether it is worth a line in the log: an origin proxy may change its services as fast as it
// likes, so lines that are too many are counted.
enum class Report : std::uint8_t { none, line, count };

namespace effect {

// Listen there, or with the same host at any port of these that is free. Answered by
// OfferAnswers::listening() or cannot_listen().
struct Listen {
    tcp::endpoint where;
    PortRanges any_of{};
};

// Take connections at its address. Answered by OfferAnswers::opened() or cannot_listen().
struct Open {
    RegisteredServicePointer service;
};

// This origin proxy serves it from now on, or does not, or is healthy, or is not: announce visitors
// accordingly, also those who wait. 0: nothing but that.
struct Serve {
    RegisteredServicePointer service;
    std::uint64_t link;
};

// Give its address up, and send those away who wait for it. Visitors who are served go on.
struct Close {
    RegisteredServicePointer service;
    std::string_view why;
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

// A tunnel cannot be served by an origin proxy that sends no header for it.
struct ReportTooOld {
    std::uint64_t link;
    RegisteredServicePointer service;
};

// Ask whether it is still there, and tell Registry::heard() when it has sent anything; or that does
// not matter any more.
struct Ask {
    std::uint64_t link;
    bool is_wanted;
};

// End its connection, then Registry::log_out(): its one service is gone; or, if it is silent,
// others want what it had, and it does not answer whether it is still there.
struct Drop {
    std::uint64_t link;
    bool is_silent;
};

} // namespace effect

using Effect =
    std::variant<effect::Listen, effect::Open, effect::Serve, effect::Close, effect::Tell,
                 effect::ReportHealth, effect::ReportTooOld, effect::Ask, effect::Drop>;

} // namespace tunnel
