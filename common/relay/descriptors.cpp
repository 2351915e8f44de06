#include "common/relay/descriptors.hpp"

#include <algorithm>

namespace tunnel {

namespace {

// Standard streams, the control plane's loop, signals, a watch for idle connections or for those
// that have said nothing, two listeners and a control connection, with some to spare.
constexpr std::size_t own = 18;

// A worker's loop, what wakes it, and its timer.
constexpr std::size_t of_worker = 3;
constexpr std::size_t of_pipe = 2;

constexpr std::size_t most_parked = 256;

} // namespace

std::size_t parking_capacity(std::size_t limit)
{
    return std::min(most_parked, limit / 16);
}

std::size_t usable_descriptors(std::size_t limit, const RelayOptions& relay)
{
    const std::size_t taken = own + relay.workers * (of_worker + of_pipe * relay.pipes);
    return limit - std::min(limit, taken);
}

} // namespace tunnel
