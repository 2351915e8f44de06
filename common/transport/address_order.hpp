// The order in which the addresses of one name are tried.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "common/base/asio.hpp"

namespace tunnel {

// Remembers between two dials which address worked, so that a name with many dead addresses costs
// their time once, and gives every address its turn in the end, however many there are.
class AddressOrder {
public:
    // `found` is what the name means now, in the system's order of preference. The address that
    // took the last connection comes first. At most `most_addresses` are returned.
    std::vector<tcp::endpoint> arrange(const std::vector<tcp::endpoint>& found) const;

    // A dial has reached this address.
    void connected(const tcp::endpoint& peer);

    // A dial has reached none of those that arrange() gave: the next one begins with others.
    void failed();

    // One dial tries so many: each attempt that is under way holds a descriptor.
    static constexpr std::size_t most_addresses = 64;

private:
    std::optional<tcp::endpoint> good_;
    std::size_t first_ = 0; // how far the addresses have been tried in vain
};

} // namespace tunnel
