// What the origin proxy has with one remote proxy: a control connection, which is made again
// whenever it is lost, the services that are offered there, and the visitors who come from there.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/asio.hpp"
#include "common/base/task_group.hpp"
#include "common/protocol/control_connection.hpp"
#include "origin-proxy/link/control_dialler.hpp"
#include "origin-proxy/link/data_plane.hpp"
#include "origin-proxy/link/offered_services.hpp"
#include "origin-proxy/link/retry_policy.hpp"
#include "origin-proxy/link/trusted_remote.hpp"
#include "origin-proxy/link/visits.hpp"
#include "origin-proxy/options/options.hpp"

namespace tunnel {

// All members run on the thread of the io_context.
class RemoteLink {
public:
    // `remote`: where its address leads to; the same as `configured` behind a forward proxy.
    using OnReady = std::function<void(const Address& configured, const std::string& remote,
                                       const std::vector<Opened>& opened)>;

    struct Callbacks {
        // Once: with the services that are open, see OfferedServices. May be null.
        OnReady on_ready;
        std::function<void()> on_end;     // of a visitor or a control connection
        std::function<void()> on_give_up; // after its last retry
        // Another process has the remote proxy's address: it is time for a new link to it.
        std::function<void(RemoteLink&)> on_move;
    };

    // `options` and `plane` must outlive it.
    RemoteLink(asio::io_context& io, const OriginOptions& options, DataPlane& plane,
               Address address, TrustedRemote trust, Route route, Callbacks callbacks);

    // Starts to serve, and waits so long before that; the work is done while the io_context runs.
    void start(Clock::duration delay = {});

    // Says goodbye to the remote proxy, and does not come back; visitors that are here go on.
    void detach(Reason goodbye);

    // Another link logs in at the remote proxy's address. This one does not come back when the
    // remote proxy says goodbye; until then visitors may come on parked connections.
    void move_away();

    // After move_away(): says goodbye now.
    void leave(Reason goodbye);

    // Ends every task. The visitors that are left are the relay's.
    void stop_now();

    // Whom to trust from now on, and which way to go. Connects anew if that is somebody else or
    // another way, or if there is nothing to lose by trying at once: while it waits for its next
    // try, or after it gave up.
    void change(TrustedRemote fresh, Route route);

    // Tells the remote proxy of services that have changed.
    void announce_changes() { offered_.announce_changes(); }

    // Checks the origin servers as the services say now, if the remote proxy wants to be told.
    void check_servers() { offered_.check_servers(); }

    // Gives the control connection up for a new one: to have agreed on what is needed now.
    void connect_anew();

    // Connects visitors who wait for a slot, if there are slots.
    void start_waiting_visits() { visits_.start_waiting(); }

    // It is one of so many links, and may use that part of the descriptors for parked connections,
    // none of which there are before, and for health checks.
    void divide(std::size_t links);

    const Address& address() const { return dialler_.address(); }

    // The forward proxy on the way there; empty: there is none.
    std::string through() const;

    const Route& route() const { return dialler_.route(); }

    // The same; null: it has been called.
    OnReady take_on_ready() { return was_ready_ ? nullptr : callbacks_.on_ready; }

    // It has said goodbye, or is about to.
    bool has_left() const { return has_left_; }

    // For the link that logs in instead of this one, which does not log in any more.
    TrustedRemote take_trust() { return std::move(trust_); }

    // By stop_now(), and every task has ended.
    bool stopped() const
    {
        return state_ == State::stopped && tasks_.empty() && visits_.parked() == 0;
    }

    // It had no retries left, and waits to be told to try again.
    bool gave_up() const { return state_ == State::gave_up; }

    // There is a control connection, though perhaps no welcome on it yet.
    bool connected() const { return connection_ != nullptr; }

    // The remote proxy has said welcome, and the control connection lives.
    bool logged_in() const { return state_ == State::logged_in; }

    std::uint64_t log_ins() const { return log_ins_; }

    // Log-ins that failed since the last that did not.
    std::size_t failures() const { return failures_; }

    // The services that the remote proxy has said to be open, while it is there.
    std::vector<Opened> opened() const { return offered_.opened(); }

    // Those that it does not open, with its reasons.
    std::vector<Declined> declined() const { return offered_.declined(); }

    // Of the origin servers that are checked for this remote proxy; none while it is away.
    std::vector<HealthChecks::Known> health() const { return offered_.health(); }

    // Nothing without a control connection.
    std::optional<microseconds> round_trip() const
    {
        return connection_ != nullptr ? connection_->round_trip() : std::nullopt;
    }

    // Visitors that are being connected or served.
    std::size_t visitors() const { return visits_.size(); }

    // After detach() or move_away(): nothing is left of it. What is parked waits a moment to be
    // closed by the remote proxy, since a visitor may be under way on it.
    bool is_done() const
    {
        constexpr auto moment = std::chrono::seconds(2);
        return visitors() == 0 && !connected() &&
               (!visits_.is_leaving() || Clock::now() > ended_ + moment);
    }

    // After detach(): the remote proxy has not let go of everything yet.
    bool is_leaving() const { return connected() || visits_.is_leaving(); }

    // Data connections that wait for a visitor.
    std::size_t parked() const { return visits_.parked(); }

private:
    enum class State : std::uint8_t {
        connecting, // up to the welcome
        logged_in,
        waiting,  // for the next try
        gave_up,  // no retries are left
        detached, // by detach(); the control connection may still have to end
        stopped,  // by stop_now()
    };

    // What follows when the control connection, or the attempt to make one, ends.
    enum class Next : std::uint8_t {
        retry_later,
        retry_at_once,
        connect_anew, // at once, and a log-in that goes well after all is of no use
    };

    bool is_ended() const { return state_ == State::detached || state_ == State::stopped; }

    void retry(Next how);
    awaitable<void> stay_connected(Clock::duration delay = {});
    awaitable<Reason> connect_once();
    awaitable<void> follow();
    LogIn log_in() const;
    void log_end(const RetryPolicy::Decision& decision) const;
    void on_frame(Frame& frame);
    void on_welcome(const Welcome& welcome);
    void on_open(const std::vector<Opened>& opened);

    const OriginOptions& options_;
    DataPlane& plane_;
    const Callbacks callbacks_;
    const OriginId id_; // of this link, at each log-in
    TrustedRemote trust_;
    ControlDialler dialler_;
    RetryPolicy policy_;
    State state_ = State::connecting;
    Next next_ = Next::retry_later;
    std::size_t failures_ = 0;
    Clock::time_point ended_{}; // the latest control connection
    bool was_ready_ = false;
    bool has_left_ = false;
    ControlConnection* connection_ = nullptr; // lives in the coroutine follow
    Session session_;                         // of that; without an id before its welcome
    Reason goodbye_;                          // what the remote proxy said on the latest; or empty
    std::uint64_t log_ins_ = 0;
    Signal wait_is_over_; // for the next try
    TaskGroup tasks_;
    OfferedServices offered_;
    Visits visits_;
};

} // namespace tunnel
