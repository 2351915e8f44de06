#include "origin-proxy/link/visitor_slots.hpp"

#include <algorithm>

namespace tunnel {

VisitorSlots::Share::Share(VisitorSlots& all)
    : all_(all), entry_(all.shares_.insert(all.shares_.end(), this))
{
    all_.divide();
}

VisitorSlots::Share::~Share()
{
    all_.taken_ -= taken_;
    all_.shares_.erase(entry_);
    all_.divide();
}

void VisitorSlots::Share::take()
{
    if (taken_ >= all_.reserved_for(*this))
        ++all_.claimed_;
    ++taken_;
    ++all_.taken_;
}

void VisitorSlots::Share::give_back()
{
    --taken_;
    --all_.taken_;
    if (taken_ >= all_.reserved_for(*this))
        --all_.claimed_;
}

void VisitorSlots::Share::close()
{
    open_ = false;
    all_.divide();
}

void VisitorSlots::set_capacity(std::size_t capacity)
{
    capacity_ = capacity;
    divide();
}

bool VisitorSlots::is_free(const Share& share) const
{
    // One may have filled all before another came, for which some are reserved.
    if (taken_ >= capacity_)
        return false;
    return share.taken_ < reserved_for(share) || claimed_ < capacity_;
}

void VisitorSlots::divide()
{
    const auto open = static_cast<std::size_t>(
        std::ranges::count_if(shares_, [](const Share* share) { return share->open_; }));
    reserved_ = 0;
    if (open > 0) // where there are few, one at least
        reserved_ = std::max(capacity_ / (2 * open), std::min<std::size_t>(1, capacity_ / open));
    claimed_ = 0;
    for (const Share* const each : shares_)
        claimed_ += std::max(each->taken_, reserved_for(*each));
}

} // namespace tunnel
