// The tickets of visitors who came lately.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "common/base/ids.hpp"

namespace tunnel {

// Remembers the latest tickets, so many at most: a visitor who is announced a second time is
// announced within seconds of the first. Each costs 24 to 48 bytes, as long as it is remembered.
class RecentTickets {
public:
    static constexpr std::size_t default_capacity = 16'384;

    explicit RecentTickets(std::size_t capacity = default_capacity);

    // The oldest is forgotten if there are too many.
    void insert(const Ticket& ticket);

    // As if it had not come, but its place is taken until it would have been forgotten.
    void erase(const Ticket& ticket);

    void clear();

    bool contains(const Ticket& ticket) const
    {
        return !slots_.empty() && slots_[find(ticket)] != free;
    }

private:
    // The place of a ticket in `by_age_`.
    using Slot = std::uint32_t;
    static constexpr Slot free = UINT32_MAX;

    std::size_t first_slot(const Ticket& ticket) const;

    std::size_t next(std::size_t slot) const { return (slot + 1) & (slots_.size() - 1); }

    // Its slot, or the one where it would be.
    std::size_t find(const Ticket& ticket) const;
    void make_slots();
    void forget(const Ticket& ticket);

    std::size_t capacity_;
    std::vector<Ticket> by_age_; // a ring once it is full
    std::size_t oldest_ = 0;
    // The remote proxy chooses the tickets, and must not be able to crowd them into a few slots.
    std::array<std::uint64_t, 2> factors_;
    // A hash table whose size is a power of two, at most half full; a ticket stands in the first
    // slot that was free, from the one that its bytes name.
    std::vector<Slot> slots_;
};

} // namespace tunnel
