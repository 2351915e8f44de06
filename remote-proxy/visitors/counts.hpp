#pragma once

#include <cstdint>

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

} // namespace tunnel
