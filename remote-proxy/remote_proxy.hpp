// The public program: holds the outside addresses, tells the origin proxies of visitors, and pairs
// each with the data connection that comes back for it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/base/alarm.hpp"
#include "common/base/asio.hpp"
#include "common/base/task_group.hpp"
#include "common/management/events.hpp"
#include "common/relay/loop.hpp"
#include "common/relay/relay.hpp"
#include "common/transport/listener.hpp"
#include "remote-proxy/control/control_port.hpp"
#include "remote-proxy/control/log_ins.hpp"
#include "remote-proxy/fronts/reception.hpp"
#include "remote-proxy/management/actions.hpp"
#include "remote-proxy/management/managed.hpp"
#include "remote-proxy/options/options.hpp"
#include "remote-proxy/origins/capacity.hpp"
#include "remote-proxy/origins/origin_links.hpp"
#include "remote-proxy/services/public_services.hpp"
#include "remote-proxy/services/tunnel_set.hpp"
#include "remote-proxy/takeover/departure.hpp"
#include "remote-proxy/trust/trusted_origins.hpp"
#include "remote-proxy/visitors/run_state.hpp"
#include "remote-proxy/visitors/tallies.hpp"
#include "remote-proxy/visitors/visitors.hpp"

namespace tunnel {

// All members run on the thread of the io_context.
class RemoteProxy final : public ManagedProxy {
public:
    // Its addresses, bound, and what the files say of whom to trust; for that it may need
    // privileges that it can do without afterwards.
    struct Prepared {
        // Throws std::system_error or std::runtime_error that names the address or file
        // that cannot be had. Sockets for these addresses that were `given` are taken.
        Prepared(asio::io_context& io, const RemoteOptions& options, GivenSockets& given);

        Listener control;
        std::vector<std::pair<RemoteService, std::optional<Listener>>> outside; // none: has names
        TrustedOrigins trust;
        Reception::Prepared reception{};
    };

    RemoteProxy(asio::io_context& io, const RemoteOptions& options, Prepared prepared);

    // Prepares it first.
    RemoteProxy(asio::io_context& io, const RemoteOptions& options);

    // What a process whose sockets were `given` to this one has told of itself.
    struct Former {
        bool has_given = false; // sockets; those that no option names are these
        GivenSockets given{};
        FormerState state{};
        std::function<void()> on_settled{}; // may be empty
    };

    // Starts to serve; the work is done while the io_context runs. Visitors at addresses that
    // services share wait until all services that were open there are open here, for five seconds
    // at most; then on_settled() is called.
    void start(Former former);

    void start() { start({}); }

    // No new visitors; those that are here may finish within the grace period, then stop_now().
    void stop_gently();

    // Resets the visitors that are left and ends every task. The io_context runs dry after it.
    void stop_now();

    // Takes services, rights, trust and limits from `fresh`, and reads the files that say whom to
    // trust. An origin proxy that is no longer trusted is cut off, and a service that is gone takes
    // no more visitors; nobody else notices. Throws std::runtime_error that says what is wrong:
    // then nothing has changed.
    void reload(const RemoteOptions& fresh);

    // Those of the names whose TLS ends here. Null: there are none.
    const ServedCertificates* certificates() const { return reception_.certificates(); }

    // Anyone who reaches the control address may become the origin proxy.
    bool trusts_anyone() const { return trust_.trusts_anyone(); }

    bool encrypts() const { return trust_.encrypts(); }

    // One turn of the work, waiting for some if there is none. With it the io_context is run, not
    // otherwise: the thread serves the relay too.
    void run_some() { loop_.run_some(); }

    // It stops, or leaves its addresses to a successor.
    bool is_ending() const { return state_.is_ending(); }

    // stop_now() has been called and every task has ended.
    bool stopped() const { return state_.stopped && tasks_.empty(); }

    tcp::endpoint control_endpoint() const { return control_port_.endpoint(); }

    // Of the service `default`.
    tcp::endpoint outside_endpoint() const;

    // Names of the services that there are, and where their visitors come: "ip:port", or names.
    std::vector<std::pair<std::string, std::string>> outside_addresses() const;

    // Of the addresses that services share, with the options that name them.
    std::vector<std::pair<std::string, tcp::endpoint>> fronts() const;

    // ---- For the service manager

    // One line that says how many there are of what.
    std::string summary() const;

    // Whether its other threads have had a turn since the last call.
    bool other_threads_turn() { return loop_.others_turn(); }

    // ---- For the management interface

    RemoteStatus status() const override;
    std::vector<VisitorStatus> visitors_after(std::uint64_t after, std::size_t limit,
                                              VisitorFilter filter) const override;

    std::size_t visitors() const override { return visitors_.size(); }

    std::optional<std::string> service_meant(const std::string& name) const override
    {
        return services_.registry().services().meant_by(name);
    }

    const std::map<std::string, OriginLinks::Client>& clients() const override
    {
        return links_.clients();
    }

    const SavedState& saved_state() const override { return services_.saved(); }

    AllTurns take_longest_turns() override { return loop_.take_longest_turns(); }

    Actions& actions() override { return actions_; }

    EventHub& events() override { return events_; }

    // For a process that is to take over from this one.
    Departure& departure() { return departure_; }

    // What a former run has saved.
    void restore(SavedState state) { tunnels_.restore(std::move(state)); }

    // Data connections that wait for a visitor.
    std::size_t parked() const { return log_ins_.parked(); }

private:
    void change_services(const RemoteOptions& fresh);
    awaitable<void> keep_time();
    std::optional<Clock::time_point> next_deadline();
    awaitable<void> drain();
    awaitable<void> settle(std::set<std::string> awaited, std::function<void()> on_settled);

    asio::io_context& io_;
    RemoteOptions options_; // but for the services, which are in the registry
    TrustedOrigins trust_;
    RunState state_;
    OriginLinks links_;
    EventHub events_;
    Alarm alarm_;
    Tallies tallies_;

    Capacity capacity_;
    IdleWatch watch_; // of connections between two requests
    Visitors visitors_;
    Reception reception_;
    PublicServices services_;
    TunnelSet tunnels_;
    Actions actions_;
    ControlPort control_port_;
    LogIns log_ins_;

    Relay relay_;
    Loop loop_;
    TaskGroup tasks_;
    Departure departure_;
};

} // namespace tunnel
