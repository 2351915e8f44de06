// Visitors of a waiting room who are only names.
#pragma once

#include <string>
#include <vector>

#include "remote-proxy/visitors/waiting_room.hpp"

namespace tunnel::test {

inline constexpr Clock::time_point noon{std::chrono::hours(12)};

// A visitor without a connection, who is called by his address.
inline Visitor named(std::string name, Clock::time_point arrived = noon)
{
    return {Fd(), std::move(name), arrived};
}

struct Told {
    Ticket ticket;
    std::string name;
};

// What the origin proxy would be told now.
inline std::vector<Told> told_by(WaitingRoom& room)
{
    std::vector<Told> told;
    room.hand_out_tickets(0, [&](const Ticket& ticket, const Visitor& visitor) {
        told.push_back({ticket, visitor.address});
        return true;
    });
    return told;
}

inline std::string names(const std::vector<Told>& told)
{
    std::string names;
    for (const Told& each : told)
        names += each.name;
    return names;
}

inline void do_nothing() {}

} // namespace tunnel::test
