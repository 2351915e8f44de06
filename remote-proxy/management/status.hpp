// The state of the remote proxy at one moment.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/asio.hpp"
#include "common/base/code.hpp"
#include "common/base/units.hpp"
#include "common/management/histogram.hpp"

namespace tunnel {

// Counters beside the tallies, changed when a visitor comes or leaves, never while bytes pass.
struct RemoteCounts {
    std::uint64_t log_ins = 0;
    std::uint64_t no_proof = 0; // log-ins without a known secret or trusted certificate
    // Visitors who were let in but never reached an origin server.
    std::uint64_t late = 0;           // not within the pairing timeout
    std::uint64_t refused = 0;        // by every origin proxy that serves the service
    std::uint64_t broken = 0;         // their data connections broke
    std::uint64_t service_closed = 0; // while they waited
    Histogram pairing;                // from arrival to a data connection
};

// The counters of one service, as long as it exists.
struct ServiceCounts {
    std::uint64_t visitors = 0;   // let in
    std::uint64_t to_origin = 0;  // bytes of visitors who have left
    std::uint64_t to_visitor = 0; // the same
};

struct RemoteStatus {
    // Where the service comes from.
    enum class From : std::uint8_t { options, origin, management };

    struct Service {
        std::string name;
        std::size_t visitors = 0; // present
        std::size_t origins = 0;  // origin proxies that serve it
        bool expected = false;    // without an origin proxy the program is not ready
        ServiceCounts counts{};
        std::string outside{}; // "ip:port"
        From from{};
        bool drained = false;
        bool is_open = false;  // visitors can connect
        std::string absence{}; // why nobody serves it
        std::vector<std::string> served_by{};
    };

    // "open", "waiting" for an origin proxy, "closed" or "drained".
    static std::string_view state_of(const Service& service);

    struct Origin {
        std::string name; // as it is shown
        std::optional<microseconds> round_trip{};
        std::string credential{}; // the name of its secret or certificate
        std::string identity{};   // like `name`, but the same for twins
        std::string address{};    // "ip:port"
        std::string version{};
        bool encrypted = false;
        bool drained = false;
        Clock::duration age{};
        std::size_t visitors = 0;
        std::size_t parked = 0;
        std::vector<std::string> services{}; // that it serves
    };

    struct Refused {
        Code reason;
        std::uint64_t count;
    };

    bool stopping = false;
    std::vector<Service> services{};
    std::vector<Origin> origins{};
    std::vector<Refused> visitors_refused{};
    std::vector<Refused> control_refused{}; // at the control address
    std::uint64_t log_ins_rejected = 0;
    std::uint64_t accept_failures = 0;
    std::size_t waiting = 0;
    std::size_t parked = 0;
    std::size_t visitor_capacity = 0;       // for so many there are descriptors
    std::vector<std::size_t> relay_loads{}; // pairs of each worker
    RemoteCounts counts{};
};

// An entry of the list of visitors.
struct VisitorStatus {
    std::uint64_t id = 0;
    std::string address; // "ip:port"
    std::string service;
    std::string origin{}; // the origin proxy's name, as it is shown; empty: none yet
    bool is_relayed = false;
    Clock::duration age{};
    std::uint64_t to_origin = 0; // bytes so far
    std::uint64_t to_visitor = 0;
};

// Selects visitors; fields that are not set match all.
struct VisitorFilter {
    std::optional<std::string> service{};
    std::optional<std::string> origin{};
};

} // namespace tunnel
