// The tickets of visitors who came lately.
#pragma once

#include <cstddef>
#include <deque>
#include <unordered_set>

#include "common/base/ids.hpp"

namespace tunnel {

// Remembers the latest tickets, so many at most: a visitor who is announced a second time is
// announced within seconds of the first.
class RecentTickets {
public:
    static constexpr std::size_t default_capacity = 16'384;

    explicit RecentTickets(std::size_t capacity = default_capacity) : capacity_(capacity) {}

    // The oldest is forgotten if there are too many.
    void insert(const Ticket& ticket);

    // It is as if it had not come, but counts until it would have been forgotten.
    void erase(const Ticket& ticket) { tickets_.erase(ticket); }

    void clear();

    bool contains(const Ticket& ticket) const { return tickets_.contains(ticket); }

private:
    std::size_t capacity_;
    std::unordered_set<Ticket> tickets_;
    std::deque<Ticket> by_age_;
};

} // namespace tunnel
