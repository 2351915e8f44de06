#include "common/options/overlaps.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace tunnel {

namespace {

bool is_every(const std::string& host)
{
    return host.empty() || host == "0.0.0.0" || host == "::";
}

std::size_t last_port(const AddressRange& range)
{
    return range.first.port + range.size - 1;
}

bool overlap(const AddressRange& one, const AddressRange& other)
{
    const bool same_host = one.first.host == other.first.host || is_every(one.first.host) ||
                           is_every(other.first.host);
    return same_host && one.first.port != 0 && other.first.port != 0 &&
           one.first.port <= last_port(other) && other.first.port <= last_port(one);
}

} // namespace

void look_for_overlaps(const std::vector<Listening>& all, Problems& problems)
{
    // By their first ports: whatever overlaps one is among the next, and few are in between.
    std::vector<const Listening*> sorted;
    for (const Listening& each : all)
        sorted.push_back(&each);
    std::ranges::stable_sort(sorted, {},
                             [](const Listening* each) { return each->addresses.first.port; });
    for (auto each = sorted.begin(); each != sorted.end(); ++each) {
        for (auto next = each + 1;
             next != sorted.end() && (*next)->addresses.first.port <= last_port((*each)->addresses);
             ++next) {
            if (!overlap((*each)->addresses, (*next)->addresses))
                continue;
            const auto [first, second] = std::minmax(*each, *next); // as they stand in the file
            const std::string where =
                first->place.file.empty() ? "" : fmt::format(" ({})", to_string(first->place));
            problems.add(second->place,
                         fmt::format("{} at {} overlaps {} at {}{}, expected ports of its own",
                                     second->name, to_string(second->addresses), first->name,
                                     to_string(first->addresses), where));
            break; // one is enough to be told of
        }
    }
}

} // namespace tunnel
