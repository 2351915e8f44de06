// The origin proxy that is logged in, as the remote proxy sees it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "common/base/log.hpp"
#include "common/protocol/control_connection.hpp"
#include "common/security/key.hpp"
#include "remote-proxy/options/service_options.hpp"
#include "remote-proxy/origins/carrier.hpp"
#include "remote-proxy/origins/idle_pool.hpp"
#include "remote-proxy/origins/origin_name.hpp"
#include "remote-proxy/origins/replay_window.hpp"

namespace tunnel {

// Who an origin proxy has proved to be.
struct Identity {
    std::string name{};                      // empty: anyone, nothing was asked
    std::optional<RandomBytes> credential{}; // the secret it was known by, if it was a secret
    std::optional<Key> session_key{};        // only it and we know
    bool is_only = false;                    // there is no other secret, so nobody names it
    std::string own_name{};                  // what it calls itself; empty: nothing

    // Nothing was proved: it could be anybody.
    bool is_anybody() const { return name.empty(); }
};

// Of the visitors of one run of an origin proxy, by the secret that it has shown; see Carrier.
std::uint64_t group_of(const Identity& identity, const OriginId& origin);

// One control connection, from its log-in to its end.
struct OriginLink {
    // `twin` is the number in its name.
    OriginLink(AsyncChannel channel, ControlConnection::Heartbeats heartbeats, OriginId id,
               Identity who, IdleRoom idle_room, std::size_t twin = 1);

    ControlConnection connection;
    const std::uint64_t number; // of this run of the remote proxy, from 1; of no other link
    OriginId origin;
    Identity identity;
    std::optional<SessionId> session; // if its data connections are framed
    bool parking = false;             // and it wants them back
    bool offers_services = false;     // one by one; else it has the one of its log-in
    bool sends_headers = false;       // that an announcement asks for
    bool moves = false;               // logs in at a successor when it is told to
    bool drained = false;             // takes no new visitors
    bool is_asked = false;            // whether it is still there
    bool encrypted = false;
    std::string version{}; // of its program
    std::shared_ptr<const OriginName> name;
    std::shared_ptr<Carrier> carrier;
    Clock::time_point since = Clock::now();
    IdlePool parked;                  // of the session
    ReplayWindow used_numbers;        // of connections that were parked
    bool is_lost = false;             // it has been dropped
    Clock::time_point sweeps_again{}; // not before this, whatever the number of heartbeats
    std::string address;              // "ip:port"
    std::string log_peer;             // whose budget of log lines it uses up
    Reason goodbye;                   // why it left, empty if it has not
};

// Its name as a field of a log line. The lines count for its credential, since it may call itself
// anything at each log-in; where nothing was proved for its address.
log::Field log_name(const OriginLink& link);

// Why nobody can be logged in so; nullopt if there is no reason.
std::optional<Reject> objection(const LogIn& log_in);

// Whether the origin proxy offers its services one by one.
bool offers_services(const LogIn& log_in);

} // namespace tunnel
