#pragma once

#include <cstdint>

#include "common/management/histogram.hpp"

namespace tunnel {

// What it counts while it runs, beside what its tallies do: all of it at the beginning and at the
// end of a visitor, and nothing while bytes pass.
struct RemoteCounts {
    std::uint64_t log_ins = 0;
    std::uint64_t no_proof = 0; // tried to log in without the secret or a certificate
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

} // namespace tunnel
