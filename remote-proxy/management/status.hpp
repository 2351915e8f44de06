// What the remote proxy tells of itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/asio.hpp"
#include "common/base/units.hpp"
#include "common/management/histogram.hpp"
#include "remote-proxy/registry/registered_service.hpp"

namespace tunnel {

// What it counts while it runs, beside what its tallies do: all of it at the beginning and at the
// end of a visitor, and nothing while bytes pass.
struct RemoteCounts {
    std::uint64_t log_ins = 0;
    std::uint64_t no_proof =
        0; // whoever tried to log in did not know the secret, or no certificate
    // Visitors who were let in and never connected to an origin server.
    std::uint64_t late = 0;           // not within the pairing timeout
    std::uint64_t refused = 0;        // by every origin proxy that could be asked
    std::uint64_t broken = 0;         // with their data connections
    std::uint64_t service_closed = 0; // while they waited
    Histogram pairing;                // from arrival to a data connection
};

// The same of one service, as long as that is there.
struct ServiceCounts {
    std::uint64_t visitors = 0;   // who were let in
    std::uint64_t to_origin = 0;  // bytes of those who have left
    std::uint64_t to_visitor = 0; // as well
};

// How it is at one moment.
struct RemoteStatus {
    using From = ServiceSource;

    struct Service {
        std::string name;
        std::size_t visitors = 0; // who are here
        std::size_t origins = 0;  // origin proxies that serve it
        bool expected = false;    // without one of them this program is not ready
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
        std::string credential{}; // whose name all have that have the same secret
        std::string identity{};   // as it is shown, but the same for twins
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
        std::string_view reason;
        std::uint64_t count;
    };

    bool stopping = false;
    std::vector<Service> services{};
    std::vector<Origin> origins{};
    std::vector<Refused> visitors_refused{};
    std::vector<Refused> callers_refused{}; // at the control address
    std::uint64_t log_ins_rejected = 0;
    std::uint64_t accept_failures = 0;
    std::size_t waiting = 0;
    std::size_t parked = 0;
    std::size_t visitor_capacity = 0;       // for so many there are descriptors
    std::vector<std::size_t> relay_loads{}; // pairs of each worker
    RemoteCounts counts{};
};

// One visitor, as the list of them has it.
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

// Which visitors are asked for. What is not set is not looked at.
struct VisitorFilter {
    std::optional<std::string> service{};
    std::optional<std::string> origin{};
};

} // namespace tunnel
