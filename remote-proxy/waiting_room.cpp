#include "remote-proxy/waiting_room.hpp"

#include <cassert>
#include <iterator>
#include <utility>

namespace tunnel {

WaitingRoom::Claim::Claim(Claim&& other) noexcept
    : room_(std::exchange(other.room_, nullptr)), ticket_(other.ticket_)
{
}

WaitingRoom::Claim::~Claim()
{
    take();
}

std::optional<Visitor> WaitingRoom::Claim::take()
{
    WaitingRoom* const room = std::exchange(room_, nullptr);
    if (room == nullptr)
        return std::nullopt;
    const auto found = room->by_ticket_.find(ticket_);
    if (found == room->by_ticket_.end())
        return std::nullopt;
    found->second->on_gone = nullptr; // not gone: taken
    return room->take_out(room->told_, found->second);
}

void WaitingRoom::enter(Visitor visitor)
{
    assert(!full());
    auto place = untold_.end();
    while (place != untold_.begin() && std::prev(place)->visitor.arrived > visitor.arrived)
        --place;
    untold_.insert(place, Seat{std::move(visitor), {}, {}, false});
}

void WaitingRoom::hand_out_tickets(const std::function<void(const Ticket&, const Visitor&)>& tell)
{
    while (!untold_.empty()) {
        const auto seat = untold_.begin();
        const auto& former = seat->visitor.ticket;
        seat->ticket = former ? *former : Ticket{random_bytes()};
        // At the end, as a rule; but a claim that outlived its control connection may be younger.
        auto place = told_.end();
        while (place != told_.begin() && std::prev(place)->visitor.arrived > seat->visitor.arrived)
            --place;
        told_.splice(place, untold_, seat);
        by_ticket_.emplace(seat->ticket, seat);
        tell(seat->ticket, seat->visitor);
    }
}

void WaitingRoom::revoke_tickets()
{
    // Told ones arrived before untold ones, so they go back to the front, in their order.
    auto place = untold_.begin();
    for (auto seat = told_.begin(); seat != told_.end();) {
        const auto current = seat++;
        if (current->claimed)
            continue;
        by_ticket_.erase(current->ticket);
        untold_.splice(place, told_, current);
    }
}

std::optional<WaitingRoom::Claim> WaitingRoom::claim(const Ticket& ticket,
                                                     std::function<void()> on_gone)
{
    const auto found = by_ticket_.find(ticket);
    if (found == by_ticket_.end() || found->second->claimed)
        return std::nullopt;
    found->second->claimed = true;
    found->second->on_gone = std::move(on_gone);
    return Claim(this, ticket);
}

std::optional<Visitor> WaitingRoom::dismiss(const Ticket& ticket)
{
    const auto found = by_ticket_.find(ticket);
    if (found == by_ticket_.end())
        return std::nullopt;
    return take_out(told_, found->second);
}

std::optional<Clock::time_point> WaitingRoom::oldest_arrival() const
{
    std::optional<Clock::time_point> oldest;
    for (const Seats* seats : {&told_, &untold_}) {
        if (!seats->empty() && (!oldest || seats->front().visitor.arrived < *oldest))
            oldest = seats->front().visitor.arrived;
    }
    return oldest;
}

std::optional<Visitor> WaitingRoom::expire(Clock::time_point before)
{
    for (Seats* seats : {&told_, &untold_}) {
        if (!seats->empty() && seats->front().visitor.arrived <= before)
            return take_out(*seats, seats->begin());
    }
    return std::nullopt;
}

Visitor WaitingRoom::take_out(Seats& seats, Seats::iterator seat)
{
    if (&seats == &told_)
        by_ticket_.erase(seat->ticket);
    Visitor visitor = std::move(seat->visitor);
    const std::function<void()> on_gone = std::move(seat->on_gone);
    seats.erase(seat);
    if (on_gone)
        on_gone();
    return visitor;
}

} // namespace tunnel
