// What the origin proxy has with one remote proxy: a control connection, and for each visitor that
// is announced there a fresh data connection, joined with a fresh connection to the origin server.
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

#include "common/base/asio.hpp"
#include "common/base/repeated_failure.hpp"
#include "common/base/task_group.hpp"
#include "common/protocol/control_connection.hpp"
#include "common/relay/relay.hpp"
#include "common/transport/address_order.hpp"
#include "common/transport/dial.hpp"
#include "origin-proxy/link/offers.hpp"
#include "origin-proxy/link/parking.hpp"
#include "origin-proxy/link/trusted_remote.hpp"
#include "origin-proxy/link/visitor_places.hpp"
#include "origin-proxy/management/status.hpp"
#include "origin-proxy/options/options.hpp"
#include "origin-proxy/servers/health_checks.hpp"
#include "origin-proxy/servers/services.hpp"

namespace tunnel {

// What the options tell to serve: [services], or the service `default` alone.
std::vector<OriginService> services_of(const OriginOptions& options);

// All members run on the thread of the io_context.
class RemoteLink {
public:
    using OnReady = std::function<void(const Address& asked_for, const tcp::endpoint& remote,
                                       const std::vector<Opened>& opened)>;

    // What all links of an origin proxy have in common. It must outlive them.
    struct Shared {
        Shared(asio::io_context& context, const OriginOptions& told);

        asio::io_context& io;
        OriginOptions options; // as at the start, but for what OriginProxy::reload() changes
        Services services;
        bool offering; // them, instead of serving the one of the log-in
        DataDialler dialler;
        Relay relay;
        SharedLimits bandwidth; // of all visitors
        OriginCounts counts{};
        VisitorPlaces places;                    // none, until it is told how many
        std::function<void()> something_ended{}; // a visitor or a control connection
        std::function<void()> gave_up{};         // one of the links, after its last retry
    };

    // `on_ready` is called once: at the first log-in, with the one service; where services are
    // offered, with those that are open when each has been answered, or a while after the log-in.
    RemoteLink(Shared& shared, Address address, TrustedRemote trust, OnReady on_ready);

    // Starts to serve; the work is done while the io_context runs.
    void start();

    // Says goodbye to the remote proxy, and does not come back; visitors that are here go on.
    void leave(std::string goodbye);

    // Ends every task. The visitors that are left are the relay's.
    void stop_now();

    // Whom to trust from now on. Connects anew if that is somebody else, or if there is nothing to
    // lose by trying at once: while it waits for its next try, or after it gave up.
    void trust(TrustedRemote fresh);

    // Tells the remote proxy of services that have changed.
    void tell_changes();

    // Checks the origin servers as the services say now, if the remote proxy wants to be told.
    void check_servers();

    // Gives the control connection up for a new one: to have agreed on what is needed now.
    void connect_anew();

    // Serves those who wait for a place, if there are places.
    void start_visits();

    // It is one of so many, and may use that part of the descriptors for connections that it keeps
    // parked, none of which there are until it is told, and for health checks.
    void divide(std::size_t links);

    const Address& address() const { return address_; }

    // By stop_now(), and every task has ended.
    bool stopped() const { return stopped_ && tasks_.empty() && parking_.size() == 0; }

    // It had no retries left, and waits to be told to try again.
    bool gave_up() const { return gave_up_; }

    // There is a control connection, though perhaps no welcome on it yet.
    bool connected() const { return link_ != nullptr; }

    // The remote proxy has said welcome, and the control connection lives.
    bool logged_in() const { return link_ != nullptr && welcome_; }

    std::uint64_t log_ins() const { return log_ins_; }

    // The services that the remote proxy has said to be open, while it is there.
    std::vector<Opened> opened() const;

    // Of the origin servers that are checked for this remote proxy; none while it is away.
    std::vector<HealthChecks::Known> health() const { return checks_.known(); }

    // Nothing without a control connection.
    std::optional<microseconds> round_trip() const
    {
        return link_ != nullptr ? link_->round_trip() : std::nullopt;
    }

    // Visitors that are being connected or served.
    std::size_t visitors() const { return places_.taken(); }

    // Data connections that wait for a visitor.
    std::size_t parked() const { return parking_.size(); }

private:
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

    // One visitor's two connections while they are made.
    struct Visit;

    void try_now();
    awaitable<void> stay_connected();
    void log_end(const std::string& reason, Clock::duration lived, Clock::duration retry_in);
    awaitable<void> follow();
    awaitable<Dialled> dial_one_of(std::vector<tcp::endpoint> found);
    static awaitable<void> expect_frames(tcp::socket& socket);
    awaitable<void> agree(AsyncChannel& channel, LogIn& log_in);
    void on_frame(Frame& frame);
    void on_welcome(const Welcome& welcome);
    void begin_services(const Welcome& welcome);
    awaitable<void> tell_when_answered(std::uint64_t log_in);
    void tell_health(const Service& service, const std::string& why);
    void on_announce(Announce& announce);
    void on_parked_announce(Announce&& announce, Channel&& connection);
    awaitable<void> start_more_visits();
    void refuse(const Ticket& ticket, std::string_view why);

    awaitable<void> serve(Announce announce, std::shared_ptr<Service> service, Session session);
    awaitable<void> connect_origin_server(Visit& visit, std::optional<Dial> begun);
    std::string take_origin_server(Visit& visit, Fd socket);
    awaitable<void> dial_back(Visit& visit, Dial begun);
    void conclude(Visit& visit);
    awaitable<void> serve_parked(Visit visit, std::optional<Dial> to_server, Channel connection);
    awaitable<void> refuse_parked(Channel connection, tcp::endpoint remote, Refuse refuse);
    void relay_parked(Visit& visit, Channel connection);
    PairLimits limits_of(const Service& service) const;
    void relay(Visit& visit, Channel data, FramedStream stream = {});
    void visitor_ended();

    asio::io_context& io_;
    Shared& shared_;
    const OriginOptions& options_;
    const Services& services_;
    const DataDialler& dialler_;
    Relay& relay_;
    const Address address_;
    AddressOrder order_; // of what its host means
    OnReady on_ready_;
    VisitorPlaces::Part places_;
    Offers offers_;
    TrustedRemote trust_;
    OriginId id_;
    std::optional<Key> session_key_;    // of the control connection that is being made
    bool encrypted_ = false;            // it is
    std::uint64_t asked_anew_ = 0;      // how often connect_anew() was called
    std::uint64_t agreed_at_ = 0;       // how often it had been when the connection was made
    Session session_;                   // since its welcome
    ControlConnection* link_ = nullptr; // lives in the coroutine follow
    std::deque<Announce> announced_;    // wait for descriptors
    // Of visitors taken on from parked connections, and of those announced on this control
    // connection. One whose parked connection broke is announced again, and must not be served
    // twice.
    Tickets taken_;
    Tickets told_;
    std::uint64_t log_ins_ = 0;
    std::string outside_address_; // of the one service, where they are not offered
    bool welcome_ = false;        // said on the latest control connection
    std::string goodbye_;         // so was this, if not empty
    RepeatedFailure failed_log_ins_;
    RepeatedFailure short_log_ins_{3}; // lost soon, again and again
    bool reconnect_ = false;
    bool starting_ = false; // visits
    bool stopping_ = false;
    bool stopped_ = false;
    bool gave_up_ = false;
    Signal retry_;
    Signal answered_; // offers
    TaskGroup tasks_;
    HealthChecks checks_;
    bool checking_ = false; // the remote proxy wants to be told
    Parking parking_;
};

} // namespace tunnel
