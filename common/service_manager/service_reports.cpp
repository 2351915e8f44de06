#include "common/service_manager/service_reports.hpp"

#include <utility>

#include <fmt/format.h>

namespace tunnel {

namespace {

constexpr auto between_lines = std::chrono::seconds(1);

// So that one that comes late does no harm.
constexpr int parts_of_interval = 3;

// What the end takes after the last visitor has left: the log, and the state file.
constexpr auto to_end = std::chrono::seconds(10);

} // namespace

ServiceReports::ServiceReports(asio::io_context& io, ServiceManager& manager, Sources sources)
    : io_(io), manager_(manager), sources_(std::move(sources))
{
    if (!manager_.is_there())
        return;
    status_.emplace(io_, between_lines, [this] { tell_status(); });
    watch();
}

void ServiceReports::watch()
{
    if (const auto interval = manager_.watchdog(); interval && !watchdog_)
        watchdog_.emplace(io_, *interval / parts_of_interval, [this] { tell_alive(); });
}

void ServiceReports::ready()
{
    if (std::exchange(is_ready_, true) || is_stopping_)
        return;
    manager_.ready(sources_.status());
}

void ServiceReports::ready_after(Clock::duration most)
{
    if (!is_ready_ && manager_.is_there())
        late_.emplace(io_, most, [this] { ready(); });
}

void ServiceReports::reloading(bool under_way)
{
    if (!is_ready_ || is_stopping_)
        return;
    if (under_way)
        manager_.reloading();
    else
        manager_.ready(sources_.status());
}

void ServiceReports::leave()
{
    has_left_ = is_stopping_ = true;
    status_.reset();
    watchdog_.reset();
    late_.reset();
}

void ServiceReports::stopping(std::chrono::milliseconds grace)
{
    is_stopping_ = true;
    if (!has_left_)
        manager_.stopping(grace + to_end);
}

void ServiceReports::tell_status()
{
    manager_.status(sources_.status());
}

void ServiceReports::tell_alive()
{
    if (sources_.turns())
        manager_.alive();
}

} // namespace tunnel
