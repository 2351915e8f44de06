// Visitors of a waiting room who are only names.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "remote-proxy/visitors/waiting_room.hpp"

namespace tunnel::test {

inline constexpr Clock::time_point noon{std::chrono::hours(12)};

// The name of a visitor is a letter, and the port that he comes from.
inline tcp::endpoint place_of(std::string_view name)
{
    return {asio::ip::address(), static_cast<std::uint16_t>(name.front())};
}

inline std::string name_of(const Visitor& visitor)
{
    return {static_cast<char>(visitor.peer.port())};
}

// A visitor without a connection.
inline Visitor named(std::string_view name, Clock::time_point arrived = noon)
{
    return {Fd(), arrived, place_of(name)};
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
        told.push_back({ticket, name_of(visitor)});
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
