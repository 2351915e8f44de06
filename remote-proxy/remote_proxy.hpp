// The public program: holds the outside address, tells the origin proxy of visitors, and pairs each
// with the data connection that comes back for it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/asio.hpp"
#include "common/loop.hpp"
#include "common/net/listener.hpp"
#include "common/net/socket.hpp"
#include "common/protocol/wire.hpp"
#include "common/relay/relay.hpp"
#include "common/security/session.hpp"
#include "common/tally.hpp"
#include "common/task_group.hpp"
#include "remote-proxy/failed_log_ins.hpp"
#include "remote-proxy/handshakes.hpp"
#include "remote-proxy/options.hpp"
#include "remote-proxy/origin_link.hpp"
#include "remote-proxy/parked.hpp"
#include "remote-proxy/takeovers.hpp"
#include "remote-proxy/trusted_origins.hpp"
#include "remote-proxy/visitor_limits.hpp"
#include "remote-proxy/waiting_room.hpp"

namespace tunnel {

// All members run on the thread of the io_context.
class RemoteProxy {
public:
    // Its two addresses, bound, and what the files say of whom to trust; for that it may need
    // privileges that it can do without afterwards.
    struct Prepared {
        // Throws std::system_error or std::runtime_error that names the address or file that cannot
        // be had.
        Prepared(asio::io_context& io, const RemoteOptions& options);

        Listener control;
        Listener outside;
        TrustedOrigins trust;
    };

    RemoteProxy(asio::io_context& io, const RemoteOptions& options, Prepared prepared);

    // Prepares it first.
    RemoteProxy(asio::io_context& io, const RemoteOptions& options);

    // Starts to serve; the work is done while the io_context runs.
    void start();

    // No new visitors; those that are here may finish within the grace period, then stop_now().
    void stop_gently();

    // Resets the visitors that are left and ends every task. The io_context runs dry after it.
    void stop_now();

    // Reads the files again that say whom to trust. Whoever is trusted no longer is cut off; all
    // others notice nothing. If they cannot be read, what they said before holds.
    void reload();

    // Anyone who reaches the control address may become the origin proxy.
    bool trusts_anyone() const { return trust_.trusts_anyone(); }

    bool encrypts() const { return trust_.encrypts(); }

    // One turn of the work, waiting for some if there is none. With it the io_context is run, not
    // otherwise: the thread serves the relay too.
    void run_some() { loop_.run_some(); }

    // stop_now() has been called and every task has ended.
    bool stopped() const { return stopped_ && tasks_.empty(); }

    tcp::endpoint control_endpoint() const { return control_.endpoint(); }

    tcp::endpoint outside_endpoint() const { return outside_.endpoint(); }

    // Visitors that are here, waiting or being served.
    std::size_t visitors() const { return room_.size() + relayed_; }

    // Data connections that wait for a visitor.
    std::size_t parked() const { return parked_.size(); }

private:
    static constexpr int accept_batch = 64; // connections, then others have a turn

    // Visitors (visitors.cpp)
    awaitable<void> accept_visitors();
    awaitable<bool> make_room();
    void admit(Listener::Accepted accepted);
    void admit_at_once(Visitor visitor, Framed connection);
    void relay(Visitor visitor, Framed data, std::optional<SessionId> session, std::uint64_t group);
    void on_relay_end(Visitor visitor, Flow flow, std::optional<SessionId> session);
    void turn_away(Visitor visitor, std::string_view why);

    // The control address (callers.cpp)
    // A connection to the control address, and what it has proved so far.
    struct Caller {
        tcp::socket socket;
        asio::ip::address address;
        std::string peer; // "ip:port"
        Tls tls{};
        Identity identity{};                // of a control connection
        std::optional<DataIdentity> data{}; // that it is a data connection of this session
        bool is_stale = false;              // a data connection, of a session that is gone
        Handshakes::Place* place = nullptr; // as long as it has not said who it is

        Wire wire() { return {socket, &tls}; }

        Framed release() { return {tunnel::release(std::move(socket)), std::move(tls)}; }
    };

    awaitable<void> accept_connections();
    awaitable<void> greet(tcp::socket socket, tcp::endpoint peer);
    bool has_logged_in(const asio::ip::address& address) const;
    bool is_ignored(const asio::ip::address& address) const;
    awaitable<void> slow_down(const Caller& caller);
    void note_failure(const Caller& caller, std::error_code failure);
    awaitable<std::optional<Frame>> first_frame(Caller& caller);
    awaitable<void> secure(Caller& caller);
    awaitable<void> shake_hands(Caller& caller);
    std::optional<Key> key_of(std::string_view identity) const;
    bool may_carry(const Caller& caller, const DialBack& dial_back) const;
    bool may_carry(const Caller& caller, const Park& park);
    awaitable<void> pair(Caller caller, Ticket ticket);
    void park(Caller caller);

    // The origin proxy (origins.cpp)
    awaitable<void> log_in(Caller caller, LogIn log_in);
    awaitable<std::optional<Reject>> challenge(Caller& caller, const LogIn& log_in);
    awaitable<void> say_last(Wire wire, std::string bytes);
    awaitable<bool> free_the_service(Caller& caller, const LogIn& log_in);
    awaitable<bool> take_over(Caller& caller, const LogIn& log_in);
    bool is_holder(const Caller& caller, const LogIn& log_in) const;
    awaitable<bool> holder_answers();
    awaitable<void> serve_origin(Caller caller, LogIn log_in);
    void on_frame(OriginLink& link, Frame& frame);
    void tell_visitors();
    void lose_link();

    // Time (remote_proxy.cpp)
    awaitable<void> keep_time();
    awaitable<void> pause_accepting(std::string_view where, std::error_code why);
    std::string not_in_time() const;
    void count(Tally& tally, std::string_view peer, std::string_view reason);
    void be_woken_at(Clock::time_point time);
    std::optional<Clock::time_point> next_deadline();
    awaitable<void> drain();

    asio::io_context& io_;
    const RemoteOptions options_;
    TrustedOrigins trust_;
    const std::size_t visitor_capacity_; // as many as there are descriptors for
    Listener control_;
    Listener outside_;
    VisitorLimits limits_;
    WaitingRoom room_;
    Handshakes handshakes_;
    FailedLogIns failed_log_ins_;
    Takeovers takeovers_;        // of a place by another run of the same origin proxy
    ParkedConnections parked_;   // of link_
    OriginLink* link_ = nullptr; // lives in the coroutine serve_origin
    std::optional<Clock::time_point> outage_ends_; // when an outside address without origin shuts
    std::optional<Clock::time_point> full_since_;  // when the last visitor came who could be taken
    std::size_t relayed_ = 0;
    std::size_t rejected_ = 0;
    std::size_t challenged_ = 0;
    // Whose data connections may still be on their way.
    std::array<SessionId, 8> former_sessions_{};
    bool probing_ = false;
    bool contending_ = false; // somebody waits until it may take the place over
    bool stopping_ = false;
    bool stopped_ = false;

    std::array<Tally*, 6 + refusal_kinds> tallies();

    Tally strangers_{"closed a connection to the control address"};
    Tally rejections_{"rejected an origin proxy"};
    Tally overflow_{"reset a visitor at once"};
    // By their Refusal: a flood of one kind must not hide that there are others.
    std::vector<Tally> refusals_ = std::vector<Tally>(refusal_kinds, Tally("refused a visitor"));
    Tally accept_failures_{"cannot accept"};
    Tally ignored_{"ignored a connection to the control address"};
    Tally fights_{"an origin proxy is taken over again and again by one with the same identity"};

    Signal outside_opened_;
    Signal visitor_left_;
    Signal holder_spoke_;
    Signal clock_;
    Clock::time_point wakes_at_ = Clock::time_point::max();

    Relay relay_;
    Loop loop_;
    TaskGroup tasks_;
};

} // namespace tunnel
