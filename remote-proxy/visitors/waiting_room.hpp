// The visitors that wait for their data connection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/base/asio.hpp"
#include "common/base/ids.hpp"
#include "common/transport/fair_pool.hpp"
#include "remote-proxy/visitors/visitor.hpp"

namespace tunnel {

// A visitor that has entered gets a ticket when somebody can be told of it. The ticket is good for
// one claim, and only while the control connection lives that carried it. No I/O, no clock.
class WaitingRoom {
    struct Seat;
    using Seats = std::list<Seat>;

public:
    // Somebody who has presented a ticket and is about to take the visitor. While it lives the
    // ticket is used up; if it dies without take(), the visitor is let go, which resets it.
    class Claim {
    public:
        Claim(Claim&& other) noexcept;
        Claim& operator=(Claim&&) = delete;
        ~Claim();

        // The visitor; nullopt if it has been expired or dismissed since.
        std::optional<Visitor> take();

    private:
        friend class WaitingRoom;

        Claim(WaitingRoom* room, Ticket ticket) : room_(room), ticket_(ticket) {}

        WaitingRoom* room_; // null once taken or moved from
        Ticket ticket_;
    };

    explicit WaitingRoom(std::size_t capacity) : capacity_(capacity) {}

    bool full() const { return size() >= capacity_; }

    bool empty() const { return size() == 0; }

    std::size_t size() const { return all_.size(); }

    // Visitors of this service.
    std::size_t waiting(std::uint64_t service) const;

    // The room must not be full. One that arrived before others who wait goes before them.
    void enter(Visitor visitor);

    // Gives every visitor of the service that has none a ticket, in the order of their arrival, and
    // tells it. One whom nobody can be told of, so that `tell` answers false, stays without.
    void hand_out_tickets(std::uint64_t service,
                          const std::function<bool(const Ticket&, Visitor&)>& tell);

    // The control connection of this number is gone: the tickets that it carried are void, except
    // for claims that are under way.
    void revoke_tickets(std::uint64_t told_to);

    // nullopt: no such ticket. `on_gone` is called if the visitor expires or is dismissed before it
    // is taken; it must not touch the room.
    std::optional<Claim> claim(const Ticket& ticket, std::function<void()> on_gone);

    // Takes the visitor of this ticket out, claimed or not; nullopt: no such ticket.
    std::optional<Visitor> dismiss(const Ticket& ticket);

    // The number of the link on which the visitor of this ticket was announced; 0: no such ticket.
    std::uint64_t told_to(const Ticket& ticket) const;

    // Takes a visitor of the service out that has no ticket, the oldest first.
    std::optional<Visitor> dismiss_untold(std::uint64_t service);

    // When the visitor that has waited longest arrived.
    std::optional<Clock::time_point> oldest_arrival() const;

    // Takes out a visitor so that one from `address` has room: the latest of the address from which
    // most wait. With `service`, among those of this service alone. nullopt: as many wait from
    // `address` itself.
    std::optional<Visitor> make_room_for(const asio::ip::address& address,
                                         std::optional<std::uint64_t> service = {});

    // Takes out a visitor that arrived at `before` or earlier.
    std::optional<Visitor> expire(Clock::time_point before);

    // All that wait, in no order.
    void for_each(const std::function<void(const Visitor&)>& look) const;

    // Takes out those who were told of on the link of this number, and are claimed.
    std::vector<Visitor> dismiss_claimed(std::uint64_t told_to);

    // Visitors for whom somebody may still come with a ticket.
    std::size_t unclaimed_tickets() const;

    // Takes out a visitor for whom nobody has come yet.
    std::optional<Visitor> dismiss_unclaimed();

    // Takes out those of whom `which` says so, claimed or not.
    std::vector<Visitor> dismiss_if(const std::function<bool(const Visitor&)>& which);

private:
    using Pool = FairPool<Seat>;

    struct Seat {
        Visitor visitor;
        Ticket ticket{};
        std::function<void()> on_gone{}; // set once claimed
        bool claimed = false;
        Seats::iterator self{};    // in the list that it stands in
        Pool::Slot slot{};         // in `all_`
        Pool::Slot service_slot{}; // among those of its service
    };

    void insert(Seats& seats, Seats& from, Seats::iterator seat);
    void leave(const Seat& seat);
    Visitor take_told(Seats::iterator seat);
    Visitor take_untold(Seats& seats, Seats::iterator seat);
    std::optional<Visitor> take_untold(std::unordered_map<std::uint64_t, Seats>::iterator service);

    std::size_t capacity_;
    Pool all_;                                      // everybody who waits, by address
    std::unordered_map<std::uint64_t, Pool> pools_; // for each service that has any
    Seats told_;                                    // with a ticket; by arrival
    // Without; for each service that has any, by arrival.
    std::unordered_map<std::uint64_t, Seats> untold_;
    std::unordered_map<Ticket, Seats::iterator> by_ticket_;
};

} // namespace tunnel
