#include "common/transport/address_order.hpp"

#include <algorithm>

namespace tunnel {

std::vector<tcp::endpoint> AddressOrder::arrange(const std::vector<tcp::endpoint>& found) const
{
    std::vector<tcp::endpoint> ordered = found;
    if (!ordered.empty())
        std::rotate(ordered.begin(),
                    ordered.begin() + static_cast<std::ptrdiff_t>(first_ % ordered.size()),
                    ordered.end());
    if (good_) {
        const auto good = std::ranges::find(ordered, *good_);
        if (good != ordered.end())
            std::rotate(ordered.begin(), good, good + 1);
    }
    ordered.resize(std::min(ordered.size(), most_addresses));
    return ordered;
}

void AddressOrder::connected(const tcp::endpoint& peer)
{
    good_ = peer;
    first_ = 0;
}

void AddressOrder::failed()
{
    good_.reset();
    first_ += most_addresses;
}

} // namespace tunnel
