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

// A waiting visitor gets a ticket when it can be announced. The ticket is valid for one claim,
// while the control connection of its announcement lives. No I/O, no clock.
class WaitingRoom {
    struct Seat;
    using Seats = std::list<Seat>;

public:
    // A ticket has been presented, and the visitor is about to be taken. If this is destroyed
    // without take(), the visitor is reset.
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

    // The room must not be full. Visitors are ordered by arrival.
    void enter(Visitor visitor);

    // Calls `tell` with a new ticket for each visitor of the service without one, in the order of
    // their arrival. If `tell` returns false, the visitor stays without a ticket.
    void hand_out_tickets(std::uint64_t service,
                          const std::function<bool(const Ticket&, Visitor&)>& tell);

    // The control connection of this number is gone: its tickets become void, except for claims
    // under way.
    void revoke_tickets(std::uint64_t announced_to);

    // nullopt: no such ticket. `on_gone` is called if the visitor expires or is dismissed before it
    // is taken; it must not touch the room.
    std::optional<Claim> claim(const Ticket& ticket, std::function<void()> on_gone);

    // Removes the visitor of this ticket, claimed or not; nullopt: no such ticket.
    std::optional<Visitor> dismiss(const Ticket& ticket);

    // The number of the link on which the visitor of this ticket was announced; 0: no such ticket.
    std::uint64_t announced_to(const Ticket& ticket) const;

    // Removes the oldest visitor of the service without a ticket.
    std::optional<Visitor> dismiss_unannounced(std::uint64_t service);

    // The arrival of the visitor that has waited longest.
    std::optional<Clock::time_point> oldest_arrival() const;

    // Removes a visitor to make room for one from `address`: the latest of the address with most
    // waiting visitors, or with `service`, with most among those of this service. nullopt: that is
    // `address` itself.
    std::optional<Visitor> make_room_for(const asio::ip::address& address,
                                         std::optional<std::uint64_t> service = {});

    // Removes a visitor that arrived at `before` or earlier.
    std::optional<Visitor> expire(Clock::time_point before);

    // All visitors, unordered.
    void for_each(const std::function<void(const Visitor&)>& look) const;

    // Removes the claimed visitors that were announced on the link of this number.
    std::vector<Visitor> dismiss_claimed(std::uint64_t announced_to);

    // The number of tickets that are not claimed yet.
    std::size_t unclaimed_tickets() const;

    // Removes a visitor whose ticket is not claimed.
    std::optional<Visitor> dismiss_unclaimed();

    // Removes the visitors that `which` selects, claimed or not.
    std::vector<Visitor> dismiss_if(const std::function<bool(const Visitor&)>& which);

private:
    using Pool = FairPool<Seat>;

    struct Seat {
        Visitor visitor;
        Ticket ticket{};
        std::function<void()> on_gone{}; // set once claimed
        bool claimed = false;
        Seats::iterator self{};    // in its list
        Pool::Slot slot{};         // in `all_`
        Pool::Slot service_slot{}; // among those of its service
    };

    void insert(Seats& seats, Seats& from, Seats::iterator seat);
    void leave(const Seat& seat);
    Visitor take_announced(Seats::iterator seat);
    Visitor take_unannounced(Seats& seats, Seats::iterator seat);
    std::optional<Visitor>
    take_unannounced(std::unordered_map<std::uint64_t, Seats>::iterator service);

    std::size_t capacity_;
    Pool all_;                                      // all visitors, by address
    std::unordered_map<std::uint64_t, Pool> pools_; // for each service that has any
    Seats announced_;                               // with a ticket; by arrival
    // Without; for each service that has any, by arrival.
    std::unordered_map<std::uint64_t, Seats> unannounced_;
    std::unordered_map<Ticket, Seats::iterator> by_ticket_;
};

} // namespace tunnel
