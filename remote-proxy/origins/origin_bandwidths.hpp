// What each origin proxy may carry in a second.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "common/relay/bandwidth.hpp"

namespace tunnel {

// Whoever comes back under its name shares a limit with the visitors that it left behind, so a new
// log-in brings nobody more. Those without a name have one each.
class OriginBandwidths {
public:
    // By name; "" is for all who are not named.
    using ByName = std::map<std::string, Rates>;

    explicit OriginBandwidths(ByName rates) : rates_(std::move(rates)) {}

    std::shared_ptr<SharedLimits> of(const std::string& name);

    // At once, as SharedLimits::change().
    void change(ByName rates);

private:
    const Rates& rates_of(const std::string& name) const;

    ByName rates_;
    std::multimap<std::string, std::weak_ptr<SharedLimits>> known_; // while somebody is here
};

} // namespace tunnel
