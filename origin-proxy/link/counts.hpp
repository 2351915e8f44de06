#pragma once

#include <cstdint>

#include "common/management/histogram.hpp"

namespace tunnel {

// What the origin proxy counts while it runs, at the beginning and at the end of each visitor.
struct OriginCounts {
    std::uint64_t connects = 0;     // attempts to make a control connection
    std::uint64_t visitors = 0;     // announced and taken
    std::uint64_t to_origin = 0;    // bytes of visitors who have left
    std::uint64_t to_visitor = 0;   // the same, the other way
    std::uint64_t failed_dials = 0; // to origin servers
    Histogram dials;                // to origin servers, that did not fail
};

} // namespace tunnel
