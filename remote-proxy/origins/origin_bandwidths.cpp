#include "remote-proxy/origins/origin_bandwidths.hpp"

#include <utility>

namespace tunnel {

std::shared_ptr<SharedLimits> OriginBandwidths::of(const std::string& name)
{
    std::erase_if(known_, [](const auto& named) { return named.second.expired(); });
    const auto found = known_.find(name);
    if (!name.empty() && found != known_.end())
        return found->second.lock();
    auto limits = std::make_shared<SharedLimits>(rates_of(name));
    known_.emplace(name, limits);
    return limits;
}

void OriginBandwidths::change(ByName rates)
{
    rates_ = std::move(rates);
    for (const auto& [name, known] : known_) {
        if (const auto limits = known.lock())
            limits->change(rates_of(name));
    }
}

const Rates& OriginBandwidths::rates_of(const std::string& name) const
{
    static const Rates none;
    for (const std::string& each : {name, std::string()}) {
        if (const auto found = rates_.find(each); found != rates_.end())
            return found->second;
    }
    return none;
}

} // namespace tunnel
