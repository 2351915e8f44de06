#include "remote-proxy/visitors/waiting_room.hpp"

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
    return room->take_announced(found->second);
}

std::size_t WaitingRoom::waiting(std::uint64_t service) const
{
    const auto found = pools_.find(service);
    return found == pools_.end() ? 0 : found->second.size();
}

void WaitingRoom::leave(const Seat& seat)
{
    all_.erase(seat.slot);
    const auto pool = pools_.find(seat.visitor.service_number());
    pool->second.erase(seat.service_slot);
    if (pool->second.size() == 0)
        pools_.erase(pool);
}

// Moves a seat behind those who arrived before. At the end, as a rule; but one that comes back, or
// whose claim outlived its control connection, may be older.
void WaitingRoom::insert(Seats& seats, Seats& from, Seats::iterator seat)
{
    auto place = seats.end();
    while (place != seats.begin() && std::prev(place)->visitor.arrived > seat->visitor.arrived)
        --place;
    seats.splice(place, from, seat);
}

void WaitingRoom::enter(Visitor visitor)
{
    assert(!full());
    const std::uint64_t service = visitor.service_number();
    Seats fresh;
    Seat& seat = fresh.emplace_back(Seat{std::move(visitor)});
    seat.self = fresh.begin();
    seat.slot = all_.insert(seat.visitor.peer.address(), seat);
    seat.service_slot = pools_[service].insert(seat.visitor.peer.address(), seat);
    insert(unannounced_[service], fresh, fresh.begin());
}

void WaitingRoom::hand_out_tickets(std::uint64_t service,
                                   const std::function<bool(const Ticket&, Visitor&)>& tell)
{
    const auto queue = unannounced_.find(service);
    if (queue == unannounced_.end())
        return;
    Seats& seats = queue->second;
    for (auto next = seats.begin(); next != seats.end();) {
        const auto seat = next++;
        const auto& early = seat->visitor.early;
        const Ticket ticket = early ? early->ticket : Ticket{random_bytes()};
        if (!tell(ticket, seat->visitor))
            continue;
        seat->ticket = ticket;
        insert(announced_, seats, seat);
        by_ticket_.emplace(ticket, seat);
    }
    if (seats.empty())
        unannounced_.erase(queue);
}

void WaitingRoom::revoke_tickets(std::uint64_t announced_to)
{
    for (auto after = announced_.end(); after != announced_.begin();) {
        const auto seat = std::prev(after);
        if (seat->claimed || seat->visitor.announced_on() != announced_to) {
            after = seat;
            continue;
        }
        by_ticket_.erase(seat->ticket);
        seat->visitor.end_attempt(AttemptEnd::revoked);
        // As a rule they arrived before those who were never told, so they go back to the front.
        Seats& queue = unannounced_[seat->visitor.service_number()];
        auto place = queue.begin();
        while (place != queue.end() && place->visitor.arrived < seat->visitor.arrived)
            ++place;
        queue.splice(place, announced_, seat);
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
    return take_announced(found->second);
}

std::uint64_t WaitingRoom::announced_to(const Ticket& ticket) const
{
    const auto found = by_ticket_.find(ticket);
    return found == by_ticket_.end() ? 0 : found->second->visitor.announced_on();
}

std::optional<Visitor> WaitingRoom::dismiss_unannounced(std::uint64_t service)
{
    return take_unannounced(unannounced_.find(service));
}

std::optional<Clock::time_point> WaitingRoom::oldest_arrival() const
{
    std::optional<Clock::time_point> oldest;
    const auto consider = [&oldest](const Seats& seats) {
        if (!seats.empty() && (!oldest || seats.front().visitor.arrived < *oldest))
            oldest = seats.front().visitor.arrived;
    };
    consider(announced_);
    for (const auto& [service, seats] : unannounced_)
        consider(seats);
    return oldest;
}

std::optional<Visitor> WaitingRoom::make_room_for(const asio::ip::address& address,
                                                  std::optional<std::uint64_t> service)
{
    const auto pool = service ? pools_.find(*service) : pools_.end();
    if (service && pool == pools_.end())
        return std::nullopt;
    const Seat* const seat = (service ? pool->second : all_).to_give_up_for(address);
    if (seat == nullptr)
        return std::nullopt;
    if (const auto told = by_ticket_.find(seat->ticket); told != by_ticket_.end())
        return take_announced(told->second);
    const auto queue = unannounced_.find(seat->visitor.service_number());
    Seats& seats = queue->second;
    Visitor visitor = take_unannounced(seats, seat->self);
    if (seats.empty())
        unannounced_.erase(queue);
    return visitor;
}

std::optional<Visitor> WaitingRoom::expire(Clock::time_point before)
{
    if (!announced_.empty() && announced_.front().visitor.arrived <= before)
        return take_announced(announced_.begin());
    for (auto queue = unannounced_.begin(); queue != unannounced_.end(); ++queue) {
        if (queue->second.front().visitor.arrived <= before)
            return take_unannounced(queue);
    }
    return std::nullopt;
}

void WaitingRoom::for_each(const std::function<void(const Visitor&)>& look) const
{
    for (const Seat& seat : announced_)
        look(seat.visitor);
    for (const auto& [service, seats] : unannounced_) {
        for (const Seat& seat : seats)
            look(seat.visitor);
    }
}

std::vector<Visitor> WaitingRoom::dismiss_claimed(std::uint64_t announced_to)
{
    std::vector<Visitor> gone;
    for (auto next = announced_.begin(); next != announced_.end();) {
        const auto seat = next++;
        if (seat->claimed && seat->visitor.announced_on() == announced_to)
            gone.push_back(take_announced(seat));
    }
    return gone;
}

std::size_t WaitingRoom::unclaimed_tickets() const
{
    return static_cast<std::size_t>(
        std::ranges::count_if(announced_, [](const Seat& seat) { return !seat.claimed; }));
}

std::optional<Visitor> WaitingRoom::dismiss_unclaimed()
{
    if (!unannounced_.empty())
        return take_unannounced(unannounced_.begin());
    const auto seat =
        std::ranges::find_if(announced_, [](const Seat& each) { return !each.claimed; });
    return seat == announced_.end() ? std::nullopt : std::optional(take_announced(seat));
}

std::vector<Visitor> WaitingRoom::dismiss_if(const std::function<bool(const Visitor&)>& which)
{
    std::vector<Visitor> gone;
    for (auto next = announced_.begin(); next != announced_.end();) {
        const auto seat = next++;
        if (which(seat->visitor))
            gone.push_back(take_announced(seat));
    }
    for (auto queue = unannounced_.begin(); queue != unannounced_.end();) {
        Seats& seats = queue->second;
        for (auto next = seats.begin(); next != seats.end();) {
            const auto seat = next++;
            if (!which(seat->visitor))
                continue;
            gone.push_back(take_unannounced(seats, seat));
        }
        queue = seats.empty() ? unannounced_.erase(queue) : std::next(queue);
    }
    return gone;
}

Visitor WaitingRoom::take_announced(Seats::iterator seat)
{
    by_ticket_.erase(seat->ticket);
    leave(*seat);
    Visitor visitor = std::move(seat->visitor);
    const std::function<void()> on_gone = std::move(seat->on_gone);
    announced_.erase(seat);
    if (on_gone)
        on_gone();
    return visitor;
}

Visitor WaitingRoom::take_unannounced(Seats& seats, Seats::iterator seat)
{
    leave(*seat);
    Visitor visitor = std::move(seat->visitor);
    seats.erase(seat);
    return visitor;
}

// The one that has waited longest.
std::optional<Visitor>
WaitingRoom::take_unannounced(std::unordered_map<std::uint64_t, Seats>::iterator queue)
{
    if (queue == unannounced_.end())
        return std::nullopt;
    Seats& seats = queue->second;
    Visitor visitor = take_unannounced(seats, seats.begin());
    if (seats.empty())
        unannounced_.erase(queue);
    return visitor;
}

} // namespace tunnel
