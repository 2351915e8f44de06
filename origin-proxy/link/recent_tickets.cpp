#include "origin-proxy/link/recent_tickets.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace tunnel {

namespace {

std::array<std::uint64_t, 2> halves_of(const RandomBytes& bytes)
{
    std::array<std::uint64_t, 2> halves{};
    static_assert(sizeof halves == sizeof bytes);
    std::memcpy(halves.data(), bytes.data(), sizeof halves);
    return halves;
}

} // namespace

RecentTickets::RecentTickets(std::size_t capacity)
    : capacity_(capacity), factors_(halves_of(random_bytes()))
{
    for (std::uint64_t& factor : factors_)
        factor |= 1;
}

void RecentTickets::insert(const Ticket& ticket)
{
    if (contains(ticket))
        return;
    std::size_t place = by_age_.size();
    if (place < capacity_) {
        by_age_.push_back(ticket);
    } else {
        place = oldest_;
        oldest_ = (oldest_ + 1) % capacity_;
        forget(by_age_[place]);
        by_age_[place] = ticket;
    }
    if (by_age_.size() * 2 > slots_.size())
        make_slots();
    else
        slots_[find(ticket)] = static_cast<Slot>(place);
}

void RecentTickets::erase(const Ticket& ticket)
{
    if (!contains(ticket))
        return;
    const Slot place = slots_[find(ticket)];
    forget(ticket);
    by_age_[place] = Ticket(); // which nobody has: tickets are random
}

void RecentTickets::clear()
{
    by_age_ = {};
    slots_ = {};
    oldest_ = 0;
}

std::size_t RecentTickets::first_slot(const Ticket& ticket) const
{
    const auto halves = halves_of(ticket.bytes);
    const std::uint64_t mixed = halves[0] * factors_[0] + halves[1] * factors_[1];
    return mixed >> (64 - std::countr_zero(slots_.size())); // its high bits depend on all of it
}

std::size_t RecentTickets::find(const Ticket& ticket) const
{
    std::size_t slot = first_slot(ticket);
    while (slots_[slot] != free && by_age_[slots_[slot]] != ticket)
        slot = next(slot);
    return slot;
}

// Twice as many as before, for all tickets.
void RecentTickets::make_slots()
{
    slots_.assign(std::max<std::size_t>(16, slots_.size() * 2), free);
    for (std::size_t place = 0; place < by_age_.size(); ++place)
        slots_[find(by_age_[place])] = static_cast<Slot>(place);
}

// Those behind it that would not be found any more, now that its slot is free, move forward.
void RecentTickets::forget(const Ticket& ticket)
{
    std::size_t hole = find(ticket);
    if (slots_[hole] == free) // erased before
        return;
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t slot = next(hole); slots_[slot] != free; slot = next(slot)) {
        const std::size_t wanted = first_slot(by_age_[slots_[slot]]);
        if (((slot - wanted) & mask) >= ((slot - hole) & mask)) {
            slots_[hole] = slots_[slot];
            hole = slot;
        }
    }
    slots_[hole] = free;
}

} // namespace tunnel
