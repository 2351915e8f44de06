#include "remote-proxy/origins/capacity.hpp"

#include <algorithm>

#include "common/relay/descriptors.hpp"

namespace tunnel {

namespace {

// Connections that have not said who they are. A good one says so within a round trip.
constexpr std::size_t most_handshakes = 1024;

// What the threads for handshakes with visitors take for themselves.
constexpr std::size_t most_of_handshake_threads = 8 * 4;

// Connections at fronts. A silent one costs little, and waits for some seconds.
constexpr std::size_t most_looks = 4096;

} // namespace

std::size_t Capacity::usable() const
{
    return usable_descriptors(options_.descriptor_limit,
                              relay_options(options_.common, options_.descriptor_limit));
}

// A quarter of what is left for connections that may be data connections, but have not said so yet.
std::size_t Capacity::handshakes() const
{
    return std::clamp<std::size_t>(usable() / 4, 4, most_handshakes);
}

std::size_t Capacity::looks() const
{
    return std::clamp<std::size_t>(usable() / 4, 4, most_looks);
}

std::size_t Capacity::http_visitors() const
{
    constexpr std::size_t most = 8192;
    return std::clamp<std::size_t>(usable() / 16, 4, most);
}

std::size_t Capacity::http_answers() const
{
    constexpr std::size_t most = 256;
    return std::clamp<std::size_t>(usable() / 64, 2, most);
}

std::size_t Capacity::http_streams() const
{
    constexpr std::size_t most = 1024;
    return std::clamp<std::size_t>(usable() / 16, 4, most);
}

// A visitor takes two descriptors, its own and its data connection's. More of them than can be
// served would leave none for the data connections, and then nobody would be served.
std::size_t Capacity::visitors() const
{
    // One of each is among the descriptors that are not usable.
    const std::size_t more_links = std::max<std::size_t>(links_.size(), 1) - 1;
    const std::size_t more_services = std::max<std::size_t>(listeners_, 1) - 1;
    // Each link may park one, however many others there are.
    const std::size_t parked = std::max(parking_capacity(options_.descriptor_limit), links_.size());
    const std::size_t looked_at =
        options_.fronts.https.empty() ? 0 : looks() + most_of_handshake_threads;
    const bool has_http =
        has_http_ || !options_.fronts.http.empty() || !options_.fronts.https.empty();
    const std::size_t at_http =
        has_http ? http_visitors() + 2 * http_answers() + http_streams() : 0;
    const std::size_t taken =
        handshakes() + parked + more_links + more_services + looked_at + at_http;
    const std::size_t left = usable() - std::min(usable(), taken);
    return std::max<std::size_t>(1, left / 2);
}

} // namespace tunnel
