// The public program: holds the outside addresses, tells the origin proxies of visitors, and pairs
// each with the data connection that comes back for it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
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
#include "remote-proxy/management/actions.hpp"
#include "remote-proxy/management/status.hpp"
#include "remote-proxy/options/options.hpp"
#include "remote-proxy/origins/capacity.hpp"
#include "remote-proxy/origins/origin_links.hpp"
#include "remote-proxy/services/public_services.hpp"
#include "remote-proxy/services/tunnel_set.hpp"
#include "remote-proxy/trust/trusted_origins.hpp"
#include "remote-proxy/visitors/run_state.hpp"
#include "remote-proxy/visitors/tallies.hpp"
#include "remote-proxy/visitors/visitors.hpp"

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

    // What the management interface may change.
    Actions& actions() { return actions_; }

    // See ServiceList::meant_by().
    std::optional<std::string> service_meant(const std::string& name) const
    {
        return services_.registry().services().meant_by(name);
    }

    // What of its changes is to be kept beyond a restart, and what a former run has kept.
    const SavedState& saved_state() const { return services_.saved(); }

    void restore(SavedState state) { tunnels_.restore(std::move(state)); }

    // By the names of the credentials.
    const std::map<std::string, OriginLinks::Client>& clients() const { return links_.clients(); }

    // What happens.
    EventHub& events() { return events_; }

    // Visitors that are here, waiting or being served.
    std::size_t visitors() const { return visitors_.size(); }

    // Data connections that wait for a visitor.
    std::size_t parked() const { return log_ins_.parked(); }

private:
    void change_services(const RemoteOptions& fresh);
    awaitable<void> keep_time();
    std::optional<Clock::time_point> next_deadline();
    awaitable<void> drain();

    asio::io_context& io_;
    RemoteOptions options_; // but for the services, which are in the table
    const Reread reread_;
    TrustedOrigins trust_;
    RunState state_;
    OriginLinks links_;
    EventHub events_;
    Alarm alarm_;
    Tallies tallies_;

    Capacity capacity_;
    Visitors visitors_;
    PublicServices services_;
    TunnelSet tunnels_;
    Actions actions_;
    ControlPort control_port_;
    LogIns log_ins_;

    Relay relay_;
    Loop loop_;
    TaskGroup tasks_;
};

} // namespace tunnel
