// The private program: keeps a control connection to the remote proxy and, for each visitor that is
// announced there, joins a fresh data connection with a fresh connection to the origin server.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "common/asio.hpp"
#include "common/loop.hpp"
#include "common/protocol/control_connection.hpp"
#include "common/relay/relay.hpp"
#include "common/task_group.hpp"
#include "origin-proxy/management_status.hpp"
#include "origin-proxy/options.hpp"
#include "origin-proxy/parking.hpp"
#include "origin-proxy/services.hpp"
#include "origin-proxy/trusted_remote.hpp"

namespace tunnel {

// All members run on the thread of the io_context.
class OriginProxy {
public:
    using OnReady =
        std::function<void(const tcp::endpoint& remote, const std::vector<Opened>& opened)>;

    // `on_ready` is called once: at the first log-in, with the one service; where services are
    // offered, with those that are open when each has been answered, or a while after the log-in.
    OriginProxy(asio::io_context& io, const OriginOptions& options, TrustedRemote trust,
                OnReady on_ready);

    // Reads the files first that say whom to trust; throws std::runtime_error that names the one
    // that cannot be used.
    OriginProxy(asio::io_context& io, const OriginOptions& options, OnReady on_ready);

    // Starts to serve; the work is done while the io_context runs.
    void start();

    // Leaves the remote proxy; visitors that are here may finish within the grace period, then
    // stop_now().
    void stop_gently();

    // Resets the visitors that are left and ends every task. The io_context runs dry after it.
    void stop_now();

    // Reads the files again that say whom to trust, gives the control connection, or the wait
    // before the next try, up and connects at once. If the files cannot be read, what they said
    // holds.
    void reconnect_now();

    // Makes these the services from now on. Visitors who are being served go on; those to come are
    // served as it says here. If the service `default` was the only one, it connects anew.
    void change_services(const std::vector<OriginService>& wanted);

    // One turn of the work, waiting for some if there is none. With it the io_context is run, not
    // otherwise: the thread serves the relay too.
    void run_some() { loop_.run_some(); }

    // It has ended, by stop_now() or because it gave up, and every task has ended.
    bool stopped() const { return stopped_ && tasks_.empty() && parking_.size() == 0; }

    // Whether it ended because it had no retries left.
    bool gave_up() const { return gave_up_; }

    // The remote proxy has said welcome, and the control connection lives.
    bool logged_in() const { return link_ != nullptr && welcome_; }

    // How it is now, for the management interface (management.cpp).
    OriginStatus status() const;

    // Visitors that are being connected or served.
    std::size_t visitors() const { return visitors_; }

    // Data connections that wait for a visitor.
    std::size_t parked() const { return parking_.size(); }

private:
    // One visitor's two connections while they are made.
    // The latest, as many as may matter.
    class Tickets {
    public:
        void insert(const Ticket& ticket);
        void clear();

        bool contains(const Ticket& ticket) const { return tickets_.contains(ticket); }

    private:
        std::unordered_set<Ticket> tickets_;
        std::deque<Ticket> by_age_;
    };

    struct Visit;

    void connect_anew();
    awaitable<void> stay_connected();
    awaitable<void> follow();
    awaitable<void> agree(tcp::socket& socket, Tls& tls, LogIn& log_in);
    void on_frame(Frame& frame);
    void on_welcome(const Welcome& welcome);
    void begin_services(const Welcome& welcome);
    awaitable<void> tell_when_answered(std::uint64_t log_in);
    void on_announce(Announce& announce);
    void on_parked_announce(Announce&& announce, Framed&& connection);
    void start_visits();
    void refuse(const Ticket& ticket, std::string_view why);

    awaitable<void> serve(Announce announce, std::shared_ptr<Service> service, Session session);
    awaitable<void> connect_origin_server(Visit& visit, std::optional<Dial> begun);
    std::string take_origin_server(Visit& visit, Fd socket);
    awaitable<void> dial_back(Visit& visit, Dial begun);
    void conclude(Visit& visit);
    awaitable<void> serve_parked(Visit visit, std::optional<Dial> to_server, Framed connection);
    awaitable<void> refuse_parked(Framed connection, tcp::endpoint remote, Refuse refuse);
    void relay_parked(Visit& visit, Framed connection);
    void relay(Visit& visit, Framed data);
    void visitor_ended();
    awaitable<void> drain();

    asio::io_context& io_;
    const OriginOptions options_;
    const std::size_t visitor_capacity_; // as many as there are descriptors for
    OnReady on_ready_;
    Services services_;
    bool offering_; // them, instead of serving the one of the log-in
    TrustedRemote trust_;
    DataDialler dialler_;
    OriginId id_;
    std::optional<Key> session_key_;    // of the control connection that is being made
    bool encrypted_ = false;            // it is
    std::uint64_t reloads_ = 0;         // of trust_
    std::uint64_t agreed_at_ = 0;       // how many there had been when it was agreed on
    Session session_;                   // since its welcome
    ControlConnection* link_ = nullptr; // lives in the coroutine follow
    std::deque<Announce> announced_;    // wait for descriptors
    // Of visitors taken on from parked connections, and of those announced on this control
    // connection. One whose parked connection broke is announced again, and must not be served
    // twice.
    Tickets taken_;
    Tickets told_;
    std::uint64_t log_ins_ = 0;
    std::size_t visitors_ = 0;
    OriginCounts counts_;
    bool welcome_ = false; // said on the latest control connection
    bool reconnect_ = false;
    bool starting_ = false; // visits
    bool stopping_ = false;
    bool stopped_ = false;
    bool gave_up_ = false;
    Signal retry_;
    Signal answered_; // offers
    Signal visitor_left_;
    Relay relay_;
    Loop loop_;
    TaskGroup tasks_;
    Parking parking_;
};

} // namespace tunnel
