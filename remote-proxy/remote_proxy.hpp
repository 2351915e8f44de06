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
#include "common/relay/relay.hpp"
#include "common/tally.hpp"
#include "common/task_group.hpp"
#include "remote-proxy/handshakes.hpp"
#include "remote-proxy/options.hpp"
#include "remote-proxy/origin_link.hpp"
#include "remote-proxy/parked.hpp"
#include "remote-proxy/visitor_limits.hpp"
#include "remote-proxy/waiting_room.hpp"

namespace tunnel {

// All members run on the thread of the io_context.
class RemoteProxy {
public:
    // Its two addresses, bound; for that it may need privileges that it can do without afterwards.
    struct Ports {
        // Throws std::system_error that names the address that cannot be had.
        Ports(asio::io_context& io, const RemoteOptions& options);

        Listener control;
        Listener outside;
    };

    RemoteProxy(asio::io_context& io, const RemoteOptions& options, Ports ports);

    // Binds both addresses first.
    RemoteProxy(asio::io_context& io, const RemoteOptions& options);

    // Starts to serve; the work is done while the io_context runs.
    void start();

    // No new visitors; those that are here may finish within the grace period, then stop_now().
    void stop_gently();

    // Resets the visitors that are left and ends every task. The io_context runs dry after it.
    void stop_now();

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
    // Visitors
    awaitable<void> accept_visitors();
    awaitable<bool> make_room();
    void admit(Listener::Accepted accepted);
    void admit_at_once(Visitor visitor, Framed connection);
    void relay(Visitor visitor, Framed data, std::optional<SessionId> session);
    void on_relay_end(Visitor visitor, Flow flow, std::optional<SessionId> session);
    void turn_away(Visitor visitor, std::string_view why);

    // The control port
    awaitable<void> accept_connections();
    awaitable<void> greet(tcp::socket socket);
    awaitable<std::optional<Frame>> first_frame(tcp::socket& socket, const std::string& peer);
    awaitable<void> pair(tcp::socket data, Ticket ticket);
    void park(tcp::socket data, const std::string& peer, const SessionId& session);
    awaitable<void> log_in(tcp::socket socket, LogIn log_in);
    awaitable<void> reject(tcp::socket& socket, const Reject& rejection);
    awaitable<bool> free_the_service(tcp::socket& socket, const LogIn& log_in);
    awaitable<bool> holder_answers();
    awaitable<void> serve_origin(tcp::socket socket, LogIn log_in);
    void on_frame(OriginLink& link, Frame& frame);
    void tell_visitors();
    void lose_link();

    // Time
    awaitable<void> keep_time();
    void count(Tally& tally, std::string_view peer, std::string_view reason);
    void be_woken_at(Clock::time_point time);
    std::optional<Clock::time_point> next_deadline();
    awaitable<void> drain();

    asio::io_context& io_;
    const RemoteOptions options_;
    const std::size_t visitor_capacity_; // as many as there are descriptors for
    Listener control_;
    Listener outside_;
    VisitorLimits limits_;
    WaitingRoom room_;
    Handshakes handshakes_;
    ParkedConnections parked_;                     // of link_
    OriginLink* link_ = nullptr;                   // lives in the coroutine serve_origin
    std::optional<Clock::time_point> outage_ends_; // when an outside address without origin shuts
    std::optional<Clock::time_point> full_since_;  // when the last visitor came who could be taken
    std::size_t relayed_ = 0;
    std::size_t rejected_ = 0;
    bool probing_ = false;
    bool stopping_ = false;
    bool stopped_ = false;

    std::array<Tally*, 4 + refusal_kinds> tallies();

    Tally strangers_{"closed a connection to the control address"};
    Tally rejections_{"rejected an origin proxy"};
    Tally overflow_{"reset a visitor at once"};
    // By their Refusal: a flood of one kind must not hide that there are others.
    std::vector<Tally> refusals_ = std::vector<Tally>(refusal_kinds, Tally("refused a visitor"));
    Tally accept_failures_{"cannot accept"};

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
