// The visitors that wait for their data connection.
#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <optional>
#include <string>
#include <unordered_map>

#include "common/asio.hpp"
#include "common/net/fd.hpp"
#include "common/protocol/ids.hpp"
#include "remote-proxy/visitor_limits.hpp"

namespace tunnel {

struct Visitor {
    Fd socket;           // prepared: closing it resets the visitor
    std::string address; // "ip:port"
    Clock::time_point arrived;
    // It was announced with this one, but it is not known whether that was heard: it must be
    // announced with the same, so that it is not served twice.
    std::optional<Ticket> ticket{};
    // Its first bytes may have gone to this one, so nobody else may have them.
    std::optional<OriginId> sent_to{};
    VisitorLimits::Place place{};
};

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

    std::size_t size() const { return told_.size() + untold_.size(); }

    // The room must not be full. One that arrived before others who wait goes before them.
    void enter(Visitor visitor);

    // Gives every visitor that has none a ticket, in the order of their arrival, and tells it.
    void hand_out_tickets(const std::function<void(const Ticket&, const Visitor&)>& tell);

    // The control connection is gone: its tickets are void, except for claims that are under way.
    void revoke_tickets();

    // nullopt: no such ticket. `on_gone` is called if the visitor expires or is dismissed before it
    // is taken; it must not touch the room.
    std::optional<Claim> claim(const Ticket& ticket, std::function<void()> on_gone);

    // Takes the visitor of this ticket out, claimed or not; nullopt: no such ticket.
    std::optional<Visitor> dismiss(const Ticket& ticket);

    // When the visitor that has waited longest arrived.
    std::optional<Clock::time_point> oldest_arrival() const;

    // Takes out a visitor that arrived at `before` or earlier.
    std::optional<Visitor> expire(Clock::time_point before);

private:
    struct Seat {
        Visitor visitor;
        Ticket ticket{};
        std::function<void()> on_gone; // set once claimed
        bool claimed = false;
    };

    Visitor take_out(Seats& seats, Seats::iterator seat);

    std::size_t capacity_;
    Seats told_;   // with a ticket; by arrival
    Seats untold_; // without; by arrival
    std::unordered_map<Ticket, Seats::iterator> by_ticket_;
};

} // namespace tunnel
