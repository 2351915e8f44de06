// The remote proxy's counters of events that strangers can cause at will.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>
#include <system_error>

#include "common/base/alarm.hpp"
#include "common/base/asio.hpp"
#include "common/base/tally.hpp"
#include "remote-proxy/visitors/visitor_limits.hpp"

namespace tunnel {

// Each kind logs its first event at once, and then one line a minute at most.
class Tallies {
public:
    // The alarm must outlive it.
    explicit Tallies(Alarm& alarm) : alarm_(&alarm) {}

    Tallies(const Tallies&) = delete;
    Tallies& operator=(const Tallies&) = delete;

    // Counts an event; the tally is one of the members below.
    void count(Tally& tally, std::string_view peer, std::string_view reason)
    {
        count(tally, peer, reason, tally.code());
    }

    void count(Tally& tally, std::string_view peer, std::string_view reason, Code code);

    void count(Refusal refusal, std::string_view peer);

    // When the first of the summaries is due.
    std::optional<Clock::time_point> due();

    // Writes the summaries that are due; with nullopt all of them.
    void flush(std::optional<Clock::time_point> now);

    Tally strangers{"closed a connection to the control address", Code::stranger};
    Tally rejections{"rejected an origin proxy", Code::failed};
    Tally no_room{"reset a visitor at once", Code::no_room};
    Tally accept_failures{"cannot accept", Code::failed};
    Tally ignored{"refused a connection from a blocked address", Code::ignored};
    Tally no_proxy_header{"reset a connection of a load balancer", Code::no_proxy_header};
    Tally foreign_proxy_header{"reset a visitor who began with a header of the PROXY protocol",
                               Code::foreign_proxy_header};
    Tally not_routed{"refused a visitor of an address that services share", Code::unknown_host};
    Tally bad_requests{"answered a visitor of the HTTP address with an error", Code::bad_request};
    Tally restless{"services of an origin proxy change too often for a line each",
                   Code::too_many_changes};
    Tally missing_tunnels{"a tunnel cannot be opened, and is tried again", Code::cannot_listen};
    // Indexed by Refusal: a flood of one kind must not hide the others.
    std::array<Tally, refusal_kinds> refusals{
        Tally{"refused a visitor", Code::denied}, Tally{"refused a visitor", Code::not_allowed},
        Tally{"refused a visitor", Code::too_many},
        Tally{"refused a visitor", Code::too_many_per_ip},
        Tally{"refused a visitor", Code::too_many_new_per_ip}};

private:
    std::array<Tally*, 11 + refusal_kinds> all();

    Alarm* alarm_;
};

// Counts a failure to accept, and waits: most likely descriptors or memory are short for a moment.
awaitable<void> pause_accepting(Tallies& tallies, std::string_view where, std::error_code why);

} // namespace tunnel
