// The public program: holds the outside addresses, tells the origin proxies of visitors, and pairs
// each with the data connection that comes back for it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/asio.hpp"
#include "common/loop.hpp"
#include "common/management/events.hpp"
#include "common/net/listen_hosts.hpp"
#include "common/net/listener.hpp"
#include "common/relay/relay.hpp"
#include "common/task_group.hpp"
#include "remote-proxy/alarm.hpp"
#include "remote-proxy/capacity.hpp"
#include "remote-proxy/contests.hpp"
#include "remote-proxy/control_port.hpp"
#include "remote-proxy/kept.hpp"
#include "remote-proxy/line_allowance.hpp"
#include "remote-proxy/management_status.hpp"
#include "remote-proxy/options.hpp"
#include "remote-proxy/origin_bandwidths.hpp"
#include "remote-proxy/origin_links.hpp"
#include "remote-proxy/parked.hpp"
#include "remote-proxy/run_state.hpp"
#include "remote-proxy/service.hpp"
#include "remote-proxy/tallies.hpp"
#include "remote-proxy/trusted_origins.hpp"
#include "remote-proxy/visitors.hpp"

namespace tunnel {

// All members run on the thread of the io_context.
class RemoteProxy {
public:
    // Its addresses, bound, and what the files say of whom to trust; for that it may need
    // privileges that it can do without afterwards.
    struct Prepared {
        // Throws std::system_error or std::runtime_error that names the address or file that cannot
        // be had.
        Prepared(asio::io_context& io, const RemoteOptions& options);

        Listener control;
        std::vector<std::pair<RemoteService, Listener>> outside;
        TrustedOrigins trust;
    };

    // `reread` answers the options as they are now, for reload(), or throws std::runtime_error that
    // says what is wrong with them; without it they do not change.
    using Reread = std::function<RemoteOptions()>;

    RemoteProxy(asio::io_context& io, const RemoteOptions& options, Prepared prepared,
                Reread reread = {});

    // Prepares it first.
    RemoteProxy(asio::io_context& io, const RemoteOptions& options, Reread reread = {});

    // Starts to serve; the work is done while the io_context runs.
    void start();

    // No new visitors; those that are here may finish within the grace period, then stop_now().
    void stop_gently();

    // Resets the visitors that are left and ends every task. The io_context runs dry after it.
    void stop_now();

    // Reads the options again, and the files that say whom to trust. Whoever is trusted no longer
    // is cut off, and a service that is gone takes no more visitors; all others notice nothing. If
    // anything is wrong with them, nothing changes, and it answers false, and puts into `problems`
    // what is wrong. Of the options only the services and the rights of origin proxies change.
    bool reload(std::string* problems = nullptr);

    // Anyone who reaches the control address may become the origin proxy.
    bool trusts_anyone() const { return trust_.trusts_anyone(); }

    bool encrypts() const { return trust_.encrypts(); }

    // One turn of the work, waiting for some if there is none. With it the io_context is run, not
    // otherwise: the thread serves the relay too.
    void run_some() { loop_.run_some(); }

    // stop_now() has been called and every task has ended.
    bool stopped() const { return state_.stopped && tasks_.empty(); }

    tcp::endpoint control_endpoint() const { return control_port_.endpoint(); }

    // Of the service `default`.
    tcp::endpoint outside_endpoint() const;

    // Names of the services that there are, and where their visitors come.
    std::vector<std::pair<std::string, tcp::endpoint>> outside_endpoints() const;

    // How it is now, for the management interface (management_status.cpp).
    RemoteStatus status() const;

    // The longest turns of its threads since the last call.
    AllTurns take_longest_turns() { return loop_.take_longest_turns(); }

    // Up to `limit` visitors with a higher number than `after`, by their numbers.
    std::vector<VisitorStatus> visitors_after(std::uint64_t after, std::size_t limit,
                                              VisitorFilter filter) const;

    // What the management interface may change (steering.cpp). All of them throw SteeringError if
    // that cannot be done, and then nothing has changed.

    // These are the tunnels from now on. One that is there already stays as it is, and one of the
    // same address changes without that being shut; visitors who are being served go on in any
    // case. A new one's origin proxy must be logged in.
    void set_tunnels(const std::vector<PublicTunnel>& wanted);

    // The name of the service that is meant by this one: its own; or, of one that an origin proxy
    // has opened, that with all names of the origin proxy, or what that calls it, if no other is
    // called so. nullopt: there is none, or it could be several.
    std::optional<std::string> service_meant(const std::string& name) const;

    // A service takes no more visitors, or takes them again; those who are here go on.
    void drain_service(const std::string& name, bool drained);

    // The same, but those who are here are reset, also if the service itself is gone.
    void close_service(const std::string& meant);

    // An origin proxy gets no more visitors, or gets them again. By the name that it is shown by,
    // or all of a credential by that one's name.
    void drain_origin(const std::string& name, bool drained);

    // Ends its control connection and resets its visitors. It may come back at once.
    void close_origin(const std::string& name);

    // Resets one.
    void close_visitor(std::uint64_t id);

    // What of it is to be kept beyond a restart, and what a former run has kept.
    const Kept& kept() const { return kept_; }

    void restore(Kept kept);

    // A credential of which an origin proxy is here, or has been.
    struct Client {
        bool is_here = false;
        bool has_left = false; // before it came, or now
    };

    // By the names of the credentials.
    const std::map<std::string, Client>& clients() const { return clients_; }

    // What happens.
    EventHub& events() { return events_; }

    // Visitors that are here, waiting or being served.
    std::size_t visitors() const { return visitors_.size(); }

    // Data connections that wait for a visitor.
    std::size_t parked() const { return parking_space_.taken(); }

private:
    // What an offer wants is somebody else's.
    struct Contested {
        std::string thing;                      // as Contests has it
        std::uint64_t holder = 0;               // the number of its link
        std::optional<Clock::time_point> until; // with no holder: how long that may come back
        std::string words;                      // for whoever wants it

        // Nobody needs to be asked or waited for to know it.
        bool is_hopeless() const { return holder == 0 && !until; }
    };

    using Verdict = std::variant<Frame, Contested>; // on an offer

    // Services (services.cpp)
    Listener listen(const Address& address);
    ServicePointer add_service(RemoteService options, Listener listener,
                               std::shared_ptr<const OriginName> owner);
    void retire(const ServicePointer& service, std::string_view why,
                const OriginLink* knows = nullptr);
    void serve(PublicService& service, OriginLink& link);
    void leave(PublicService& service, OriginLink& link);
    std::vector<ServicePointer> served_by(const OriginLink& link) const;
    void change_services(const RemoteOptions& fresh);
    void on_health(OriginLink& link, const ServerHealth& health);

    // Steering (steering.cpp)
    ServicePointer service_named(const std::string& name) const;
    bool forget_drained(const std::string& name);
    bool is_drained(const OriginName& origin) const;
    void resume_origins(const std::string& name, const std::vector<OriginLink*>& links);
    void apply_drain(OriginLink& link);
    void consider_all(const std::string& client, const std::string& service);
    void must_fit(const std::vector<PublicTunnel>& wanted) const;
    void open_tunnel(const PublicTunnel& tunnel, Listener listener);
    void change_tunnel(const ServicePointer& service, const PublicTunnel& wanted);
    std::optional<std::string> serve_tunnels(OriginLink& link, const std::string& name,
                                             std::optional<Contested>& contested);
    bool gives_way(const PublicService& service, const std::vector<tcp::endpoint>& wanted) const;
    void open_missing_tunnels();
    void forget(const PublicTunnel& tunnel);
    RemoteService options_of(const PublicTunnel& tunnel) const;
    void begin_again(PublicService& service);
    void note_client(const OriginName& origin);

    // Offers (offers.cpp)
    void on_offer(OriginLink& link, const Offer& offer);
    void withdraw(OriginLink& link, const std::string& name);
    void consider(OriginLink& link, const std::string& name, bool asked = false);

    // While many tunnels change at once: offers that are to be considered once at the end, instead
    // of once for each tunnel, each time with all tunnels.
    std::optional<std::set<std::pair<OriginLink*, std::string>>> postponed_offers_;
    void consider_postponed();

    ServicePointer open_for(OriginLink& link, const std::string& name, const Address& address);
    void tell(OriginLink& link, OriginLink::Offered& offered, const Frame& frame,
              bool asked = false);
    bool may_log(const std::string& credential, const std::string& service);
    Verdict answer(OriginLink& link, const std::string& name, const std::string& wanted);
    Verdict answer_by_rules(OriginLink& link, const std::string& name, const std::string& wanted);
    std::optional<Contested> contest_for(const OriginLink& link, const std::string& name,
                                         Address address);
    ServicePointer own_service(const OriginName& origin, const std::string& name) const;
    ServicePointer service_of_offer(const OriginLink& link, const std::string& name) const;
    std::string key_for(const OriginName& origin, const std::string& name) const;
    std::optional<Declined> objection_to(const OriginLink& link, const PublicService& service,
                                         const std::string& wanted) const;
    std::optional<Declined> objection_to(const OriginLink& link, const std::string& name,
                                         const std::string& wanted) const;
    const PortRanges& ports_of(const OriginLink& link) const;
    Listener listen_for(const OriginLink& link, Address address);
    void reconsider_offers();
    void listen_again(OriginLink& link);
    void must_leave_room(const OriginLink& link, std::size_t leaving) const;

    // The origin proxy (origins.cpp)
    awaitable<void> serve(ControlPort::Arrival arrival);
    awaitable<void> log_in(ControlPort::AsksToLogIn asks);
    awaitable<void> park(ControlPort::Connection connection, SessionId session);

    bool trusts(const Identity& identity) const
    {
        return trust_.trusts(identity.name, identity.credential);
    }

    bool replace_former(const Identity& identity, const LogIn& log_in);
    std::optional<Reject> too_many_links(const Identity& identity) const;
    awaitable<std::optional<Reject>> wait_for_holder(ControlPort::Connection& connection,
                                                     const LogIn& log_in);
    std::optional<Reject> objection_to(const Identity& identity, const LogIn& log_in) const;
    ServicePointer named_service(const LogIn& log_in, const Identity& identity) const;
    awaitable<void> serve_origin(ControlPort::Connection connection, LogIn log_in);
    void on_frame(OriginLink& link, Frame& frame);
    void on_heartbeat(OriginLink& link);
    void lose(OriginLink& link);
    void cut_off_the_untrusted();
    void end_visitors_of_the_untrusted();

    // What several want (holders.cpp)
    static std::string in_use(const PublicService& service, const OriginLink& holder);
    static std::string in_use(const PublicService& service, const OriginLink& holder,
                              const Identity& wanted_by);
    std::size_t meet_twins(const Identity& identity);
    void ask(std::uint64_t holder);
    void on_answer(OriginLink& link);
    void consider(const Contender& contender);
    void drop_silent(OriginLink& link);
    void ask_holders(Clock::time_point now);
    std::optional<Clock::time_point> next_question() const;
    void become_free(const PublicService& service);
    awaitable<void> settle();
    static std::string thing_of_name(const PublicService& service);
    static std::string thing_of_port(const PublicService& service);

    // Time (remote_proxy.cpp)
    awaitable<void> keep_time();
    void end_outages(Clock::time_point now);
    std::optional<Clock::time_point> next_deadline();
    awaitable<void> drain();

    asio::io_context& io_;
    ListenHosts hosts_;
    RemoteOptions options_; // but for the services, which are below
    const Reread reread_;
    TrustedOrigins trust_;
    ServiceMap services_;
    std::uint64_t latest_service_ = 0;
    ParkingSpace parking_space_;
    Contests contests_;
    std::deque<std::string> freed_;              // things that some wait for
    bool settling_ = false;                      // who gets them
    std::size_t waiting_log_ins_ = 0;            // until a holder has answered
    std::map<std::string, LineAllowance> lines_; // about services, by the credentials' names
    OriginBandwidths origin_bandwidths_;
    OriginLinks links_;         // each lives in a coroutine serve_origin
    std::uint64_t log_ins_ = 0; // since the start
    Kept kept_;
    Clock::time_point tunnels_again_{}; // not before this, those that cannot be opened
    std::map<std::string, Client> clients_;
    EventHub events_;
    RunState state_;

    Signal holder_settled_; // it has answered, or is gone
    Alarm alarm_;
    Tallies tallies_;

    Capacity capacity_;
    Visitors visitors_;
    ControlPort control_port_;

    Relay relay_;
    Loop loop_;
    TaskGroup tasks_;
};

// The services that the options name, with the one that needs no name.
std::vector<RemoteService> services_of(const RemoteOptions& options);

} // namespace tunnel
