// Keeps the service manager informed while the program runs.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "common/base/asio.hpp"
#include "common/base/every.hpp"
#include "common/service_manager/service_manager.hpp"

namespace tunnel {

// Tells it in turns of the io_context: the status once a second if it has changed, and at a third
// of the watchdog's interval that the program lives. A thread that stands tells nothing, and is
// restarted therefore.
class ServiceReports {
public:
    struct Sources {
        std::function<std::string()> status; // one line
        std::function<bool()> turns;         // whether all other threads have had a turn since
    };

    // All it is given must outlive it. It does nothing if there is no service manager.
    ServiceReports(asio::io_context& io, ServiceManager& manager, Sources sources);

    // Feeds the watchdog of the manager, which may have come to know of it.
    void watch();

    // The program serves. Only the first time counts.
    void ready();

    // The same later, if it was not called before: whoever waits for the service shall not wait
    // for what may take for ever.
    void ready_after(Clock::duration most);

    // At the begin and the end of a reload.
    void reloading(bool under_way);

    // The program is about to end, within this time.
    void stopping(std::chrono::milliseconds grace);

    // Another process is the service from now on: this one tells nothing any more.
    void leave();

private:
    void tell_status();
    void tell_alive();

    asio::io_context& io_;
    ServiceManager& manager_;
    Sources sources_;
    bool is_ready_ = false;
    bool is_stopping_ = false;
    bool has_left_ = false;
    std::optional<Every> status_;
    std::optional<Every> watchdog_;
    std::optional<Every> late_;
};

} // namespace tunnel
