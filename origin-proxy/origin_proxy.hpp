// The private program: keeps a link to each of one or more remote proxies, and joins the visitors
// that come from there with the origin servers.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/base/asio.hpp"
#include "common/base/task_group.hpp"
#include "common/relay/loop.hpp"
#include "origin-proxy/link/data_plane.hpp"
#include "origin-proxy/link/remote_link.hpp"
#include "origin-proxy/link/trusted_remote.hpp"
#include "origin-proxy/management/status.hpp"
#include "origin-proxy/options/options.hpp"

namespace tunnel {

// The links share the thread, the relay, the origin servers and the descriptors, and nothing else:
// whatever becomes of one, the others do not notice. All members run on the thread of the
// io_context.
class OriginProxy {
public:
    // `on_ready` is called once for each remote proxy, see RemoteLink. `trust` is what
    // trusted_remotes() answered.
    OriginProxy(asio::io_context& io, const OriginOptions& options,
                std::vector<TrustedRemote> trust, RemoteLink::OnReady on_ready);

    // Reads the files first that say whom to trust; throws std::runtime_error that names the one
    // that cannot be used.
    OriginProxy(asio::io_context& io, const OriginOptions& options, RemoteLink::OnReady on_ready);

    ~OriginProxy();

    // Starts to serve; the work is done while the io_context runs.
    void start();

    // Says goodbye to the remote proxies; visitors that are here may finish within the grace
    // period, then stop_now().
    void stop_gently();

    // Resets the visitors that are left and ends every task. The io_context runs dry after it.
    void stop_now();

    // ---- For a process that takes over from this one

    // The remote proxies that have said welcome.
    std::vector<std::string> logged_in_at() const;

    // How often it could not log in one time after the other, at the remote proxy of which that
    // holds most.
    std::size_t most_failures() const;

    // Says goodbye to the remote proxies, whose visitors wait for the successor. Returns when they
    // have heard it, or after two seconds.
    awaitable<void> let_go();

    // There is no successor: logs in anew.
    void take_back();

    // Visitors that are here may finish within the grace period, then stop_now().
    void leave();

    // Stopping, or about to leave.
    bool is_ending() const { return stopping_ || handing_over_; }

    // Takes remote proxies, the way to them, trust, services, limits, retries and grace period from
    // `latest`, and reads the files that say whom to trust; all else stays as it was at the start.
    // A link that is up stays up, unless the contents of those files have changed, or what is
    // agreed on at log-in; one that is down tries at once. Visitors who are being served go on,
    // also those of a remote proxy or a service that is gone. Throws std::runtime_error if a file
    // cannot be used, or if it is about to end: then nothing has changed.
    void reload(const OriginOptions& latest);

    // Replaces the services. Visitors who are being served go on; those to come are served as it
    // says here. If the service `default` was the only one, it connects anew.
    void change_services(const std::vector<OriginService>& wanted) { change(wanted, true); }

    // One turn of the work, waiting for some if there is none. With it the io_context is run, not
    // otherwise: the thread serves the relay too.
    void run_some();

    // It has ended, by stop_now() or because it gave up, and every task has ended.
    bool stopped() const;

    // Whether it ended because no link had retries left.
    bool gave_up() const { return gave_up_; }

    // How many remote proxies have said welcome, on control connections that live.
    std::size_t log_ins() const;

    // Every remote proxy has.
    bool logged_in() const { return log_ins() == links_.size(); }

    // How it is now, for the management interface.
    OriginStatus status() const;

    // The longest turns of its threads since the last call.
    AllTurns take_longest_turns() { return loop_.take_longest_turns(); }

    // For the service manager: one line that says how many there are of what.
    std::string summary() const;

    // Whether its other threads have had a turn since the last call.
    bool other_threads_turn() { return loop_.others_turn(); }

    // Visitors that are being connected or served.
    std::size_t visitors() const;

    // Data connections that wait for a visitor.
    std::size_t parked() const;

private:
    using Links = std::vector<std::unique_ptr<RemoteLink>>;

    void change(const std::vector<OriginService>& wanted, bool offered);
    void change_links(const OriginOptions& latest, std::vector<TrustedRemote> trust);
    void detach(std::unique_ptr<RemoteLink> link);
    std::unique_ptr<RemoteLink> made_for(const Address& address, TrustedRemote trust, Route route,
                                         RemoteLink::OnReady on_ready);
    void move(RemoteLink& link);
    Clock::duration delay_of_move();
    void divide_descriptors();
    void leave_former();
    void on_end();
    void on_giving_up();
    awaitable<void> drain();
    void clear_away();

    asio::io_context& io_;
    OriginOptions options_; // as at the start, but for what reload() changes
    RemoteLink::OnReady on_ready_;
    DataPlane plane_;
    Loop loop_;
    Signal ended_; // a visitor or a control connection
    Links links_;
    Links detached_; // not configured any more, and not all of their visitors have ended
    Clock::time_point next_move_{}; // of remote proxies, not before this
    bool stopping_ = false;
    bool handing_over_ = false; // a successor is about to log in
    bool stopped_ = false;
    bool gave_up_ = false;
    TaskGroup tasks_;
};

} // namespace tunnel
