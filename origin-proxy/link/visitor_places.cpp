#include "origin-proxy/link/visitor_places.hpp"

#include <algorithm>

namespace tunnel {

VisitorPlaces::Part::Part(VisitorPlaces& all)
    : all_(all), entry_(all.parts_.insert(all.parts_.end(), this))
{
    all_.divide();
}

VisitorPlaces::Part::~Part()
{
    all_.taken_ -= taken_;
    all_.parts_.erase(entry_);
    all_.divide();
}

void VisitorPlaces::Part::take()
{
    if (taken_ >= all_.kept_for(*this))
        ++all_.claimed_;
    ++taken_;
    ++all_.taken_;
}

void VisitorPlaces::Part::give_back()
{
    --taken_;
    --all_.taken_;
    if (taken_ >= all_.kept_for(*this))
        --all_.claimed_;
}

void VisitorPlaces::Part::close()
{
    open_ = false;
    all_.divide();
}

void VisitorPlaces::set_capacity(std::size_t capacity)
{
    capacity_ = capacity;
    divide();
}

bool VisitorPlaces::is_free(const Part& part) const
{
    // One may have filled all before another came for whom places are kept.
    if (taken_ >= capacity_)
        return false;
    return part.taken_ < kept_for(part) || claimed_ < capacity_;
}

void VisitorPlaces::divide()
{
    const auto open = static_cast<std::size_t>(
        std::ranges::count_if(parts_, [](const Part* part) { return part->open_; }));
    kept_ = 0;
    if (open > 0) // where there are few, one at least
        kept_ = std::max(capacity_ / (2 * open), std::min<std::size_t>(1, capacity_ / open));
    claimed_ = 0;
    for (const Part* const each : parts_)
        claimed_ += std::max(each->taken_, kept_for(*each));
}

} // namespace tunnel
