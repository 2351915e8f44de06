#include "origin-proxy/link/recent_tickets.hpp"

namespace tunnel {

void RecentTickets::insert(const Ticket& ticket)
{
    if (!tickets_.insert(ticket).second)
        return;
    by_age_.push_back(ticket);
    if (by_age_.size() > capacity_) {
        tickets_.erase(by_age_.front());
        by_age_.pop_front();
    }
}

void RecentTickets::clear()
{
    tickets_.clear();
    by_age_.clear();
}

} // namespace tunnel
