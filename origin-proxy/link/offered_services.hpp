// The services of this origin proxy at one remote proxy, while it is logged in there.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/base/asio.hpp"
#include "common/base/task_group.hpp"
#include "common/protocol/control_connection.hpp"
#include "origin-proxy/link/offers.hpp"
#include "origin-proxy/servers/health_checks.hpp"
#include "origin-proxy/servers/services.hpp"

namespace tunnel {

// Keeps the remote proxy informed: offers it the services and tells it the health of their origin
// servers. Notes what it answers.
class OfferedServices {
public:
    struct Options {
        Clock::duration answered_within; // then an offer without an answer keeps nobody waiting
        std::size_t checks_at_once;
    };

    // `remote` is what the log calls the remote proxy. `on_open` is called once, with all services
    // that are open: when at least one is and each offer has been answered, or has had its time.
    // `tasks`, `all` and what `on_open` needs must outlive it.
    OfferedServices(const asio::any_io_executor& executor, TaskGroup& tasks, const Services& all,
                    std::string remote, Options options,
                    std::function<void(const std::vector<Opened>&)> on_open);

    // There is a log-in. `connection` must live until end().
    void begin(ControlConnection& connection, const Welcome& welcome);

    // The control connection is gone: nothing is open or checked any more.
    void end();

    void on_opened(const Opened& opened);
    void on_declined(const Declined& declined);

    // The services have changed: offers and withdraws accordingly.
    void announce_changes();

    // Checks the health of the origin servers as the options of the services say now, if the remote
    // proxy takes that.
    void check_servers();

    void set_checks_at_once(std::size_t number) { checks_.set_at_once(number); }

    // The services that are open there now.
    std::vector<Opened> opened() const;

    // Those that it does not open, with its reasons.
    std::vector<Declined> declined() const
    {
        return connection_ != nullptr ? offers_.declined() : std::vector<Declined>();
    }

    // Of the origin servers that are checked for this remote proxy now.
    std::vector<HealthChecks::Known> health() const { return checks_.known(); }

private:
    void warn_of_left_out() const;
    awaitable<void> wait_until_open(std::uint64_t log_in);
    void report_health(const Service& service, const std::string& why);

    TaskGroup& tasks_;
    const Services& services_;
    const std::string remote_;
    const Clock::duration answered_within_;
    std::function<void(const std::vector<Opened>&)> on_open_; // null: it has been called
    Offers offers_;
    HealthChecks checks_;
    Signal answered_; // an offer, or the connection is gone
    ControlConnection* connection_ = nullptr;
    std::uint64_t log_ins_ = 0;
    std::string outside_address_; // of the only service, where they are not offered
    bool takes_health_ = false;   // the remote proxy
};

} // namespace tunnel
