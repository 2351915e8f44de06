// The origin proxy that is logged in, as the remote proxy sees it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/protocol/control_connection.hpp"
#include "remote-proxy/waiting_room.hpp"

namespace tunnel {

// One control connection, from its log-in to its end.
struct OriginLink {
    OriginLink(tcp::socket socket, ControlConnection::Heartbeats heartbeats, OriginId id);

    // Tells the origin proxy of a visitor.
    void announce(const Ticket& ticket, const Visitor& visitor);

    ControlConnection connection;
    OriginId origin;
    std::optional<SessionId> session; // if its data connections are framed and may be parked
    std::string address;              // "ip:port"
    std::string goodbye;              // the words it left with, empty if it has not
};

// Why this log-in cannot be served, whoever else is logged in; nullopt if it can.
std::optional<Reject> objection(const LogIn& log_in);

} // namespace tunnel
