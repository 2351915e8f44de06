// The origin proxy that is logged in, as the remote proxy sees it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/protocol/control_connection.hpp"
#include "common/security/key.hpp"
#include "remote-proxy/replay_window.hpp"
#include "remote-proxy/waiting_room.hpp"

namespace tunnel {

// Who an origin proxy has proved to be.
struct Identity {
    std::string name{};                      // empty: anyone, nothing was asked
    std::optional<RandomBytes> credential{}; // the secret it was known by, if it was a secret
    std::optional<Key> session_key{};        // only it and we know
};

// One control connection, from its log-in to its end.
struct OriginLink {
    OriginLink(tcp::socket socket, Tls tls, ControlConnection::Heartbeats heartbeats, OriginId id,
               Identity who);

    // Tells the origin proxy of a visitor.
    void announce(const Ticket& ticket, const Visitor& visitor);

    ControlConnection connection;
    OriginId origin;
    Identity identity;
    std::optional<SessionId> session; // if its data connections are framed
    bool parking = false;             // and it wants them back
    ReplayWindow used_numbers;        // of connections that were parked
    std::string address;              // "ip:port"
    std::string goodbye;              // the words it left with, empty if it has not
};

// Names the visitors that an origin proxy serves, for Relay::end_group().
std::uint64_t group_of(std::string_view name);

// Why this log-in cannot be served, whoever else is logged in; nullopt if it can.
std::optional<Reject> objection(const LogIn& log_in);

} // namespace tunnel
