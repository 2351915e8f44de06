// The control port: where origin proxies connect, and prove who they are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/base/alarm.hpp"
#include "common/base/asio.hpp"
#include "common/base/task_group.hpp"
#include "common/base/units.hpp"
#include "common/protocol/wire.hpp"
#include "common/security/handshake_budget.hpp"
#include "common/security/session.hpp"
#include "common/transport/cidr.hpp"
#include "common/transport/listener.hpp"
#include "remote-proxy/control/failed_log_ins.hpp"
#include "remote-proxy/control/handshakes.hpp"
#include "remote-proxy/origins/origin_links.hpp"
#include "remote-proxy/trust/trusted_origins.hpp"
#include "remote-proxy/visitors/tallies.hpp"
#include "remote-proxy/visitors/waiting_room.hpp"

namespace tunnel {

// Accepts connections and finds out what each one is. Bounds what those cost that prove nothing.
class ControlPort {
public:
    // One that has said what it is.
    struct Connection {
        AsyncChannel channel;
        asio::ip::address address;
        std::string peer;                   // "ip:port"
        Identity identity{};                // of a control connection
        std::optional<DataIdentity> data{}; // that it is a data connection of this session
    };

    // It wants to be the control connection of an origin proxy, and has proved who it is, unless
    // there is a rejection. Whether it may log in otherwise has not been asked.
    struct AsksToLogIn {
        Connection connection;
        LogIn log_in;
        std::optional<Reject> rejection;
    };

    // It comes from the origin proxy that was told the ticket.
    struct DialsBack {
        Connection connection;
        Ticket ticket;
    };

    // It is a data connection of this session, which is to wait for a visitor.
    struct Parks {
        Connection connection;
        SessionId session;
    };

    using Arrival = std::variant<AsksToLogIn, DialsBack, Parks>;

    // Is called for each, and may take as long as that lives.
    using OnArrival = std::function<awaitable<void>(Arrival)>;

    struct Options {
        milliseconds handshake_timeout;
        std::size_t most_handshakes;     // connections that have not said what they are
        std::size_t most_parked;         // data connections that wait for a visitor
        std::vector<Cidr> never_blocked; // addresses that are slowed only, see FailedLogIns
    };

    // What is used here and belongs to others. All of it must outlive the port.
    struct Uses {
        const TrustedOrigins& trust;
        const OriginLinks& links;
        const WaitingRoom& room;
        Tallies& tallies;
        Alarm& alarm;
        TaskGroup& tasks;
    };

    ControlPort(asio::io_context& io, Listener listener, Options options, Uses uses,
                OnArrival on_arrival);

    tcp::endpoint endpoint() const { return listener_.endpoint(); }

    void start();

    // Takes no more, but the address stays this program's.
    void shut() { listener_.shut(); }

    // Gives the address up.
    void close() { listener_.close(); }

    // Whoever connects waits in the kernel's queue until resume(), or for another process.
    void pause() { listener_.pause(); }

    void resume() { listener_.resume(); }

    // See Listener.
    void own() { listener_.own(); }

    int descriptor() { return listener_.descriptor(); }

    // Sends the last bytes to a peer, and waits until it has read them, unless others are being
    // waited for already.
    awaitable<void> say_last(AsyncChannel& channel, std::string bytes);

    // When expire() has something to do.
    std::optional<Clock::time_point> next_deadline() const;

    // Closes those that have not said in time what they are.
    void expire(Clock::time_point now);

    // Networks from which failed log-ins are slowed, and never blocked, from now on.
    void never_block(std::vector<Cidr> networks) { failed_log_ins_.trust(std::move(networks)); }

    // So many tried to log in, and knew no secret, nor had a certificate.
    std::uint64_t failed_log_ins() const { return failures_; }

private:
    class Greeting;

    awaitable<void> accept_connections();
    awaitable<void> greet(tcp::socket socket, tcp::endpoint peer);
    awaitable<std::optional<Arrival>> authenticate(tcp::socket socket, tcp::endpoint peer);
    awaitable<std::optional<Reject>> challenge(Connection& connection, const LogIn& log_in);
    awaitable<std::optional<Reject>> prove(Connection& connection, const LogIn& log_in);
    awaitable<void> slow_down(Connection& connection);
    Clock::duration blocked_for(const Connection& connection) const;
    std::string why_refused(const Connection& connection, std::string_view otherwise) const;
    void note_failure(const Connection& connection);
    void note_success(const Connection& connection);
    Handshakes::Place admit(Connection& connection);
    std::optional<Key> key_of(std::string_view identity) const;
    OriginLink* announced_to(const Ticket& ticket) const;
    bool may_carry(const Connection& connection, const DialBack& dial_back) const;
    bool may_carry(const Connection& connection, const Park& park) const;

    asio::io_context& io_;
    Listener listener_;
    const Options options_;
    const Uses uses_;
    const OnArrival on_arrival_;
    Handshakes handshakes_;
    FailedLogIns failed_log_ins_;
    // Of those who show a key that is known here, and of those who want to be shown a certificate.
    HandshakeBudget key_budget_;
    HandshakeBudget signature_budget_;
    std::size_t saying_last_ = 0; // peers that are being waited for in say_last()
    std::uint64_t failures_ = 0;
};

} // namespace tunnel
