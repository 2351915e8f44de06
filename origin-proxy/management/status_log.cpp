#include "origin-proxy/management/status_log.hpp"

#include <string>

#include "common/base/log.hpp"
#include "common/base/status_lines.hpp"
#include "origin-proxy/management/management.hpp"

namespace tunnel {

// All lines without a limit: the user asked for them.
namespace {

std::string outside_of(const OriginStatus::Service& service)
{
    std::string all;
    for (const OriginStatus::Outside& each : service.outside)
        all += (all.empty() ? "" : ", ") + each.address + " of " + each.remote;
    return all;
}

std::string_view health_of(const OriginStatus::Service& service)
{
    const auto healthy = service.is_healthy();
    return !healthy ? "unchecked" : *healthy ? "healthy" : "unhealthy";
}

} // namespace

void log_status(const OriginStatus& status)
{
    const Response ready = readiness(status);
    log::info("status",
              {{"version", TUNNEL_VERSION},
               {"ready", ready.status == 200 ? "yes" : "no"},
               {"visitors", status.visitors},
               {"parked", status.parked},
               {"services", status.services.size()},
               {"connects", status.counts.connects},
               {"total", status.counts.visitors},
               {"up", log::Bytes{status.counts.to_origin}},
               {"down", log::Bytes{status.counts.to_visitor}},
               {"failed-dials", status.counts.failed_dials}},
              log::Limit::none);
    log_first(status.links, "remote proxies", [](const OriginStatus::Link& link) {
        log::info("status: remote proxy",
                  {{"remote", link.remote},
                   log::Field(link.through.empty() ? "" : "through", link.through),
                   {"state", link.logged_in ? "logged-in" : "away"},
                   {"log-ins", link.log_ins},
                   {"round-trip", link.round_trip.value_or(microseconds(0))},
                   {"visitors", link.visitors},
                   {"parked", link.parked}},
                  log::Limit::none);
    });
    log_first(status.services, "services", [](const OriginStatus::Service& service) {
        log::info("status: service",
                  {{"service", service.name},
                   {"server", service.origin_server},
                   {"outside", outside_of(service)},
                   {"health", health_of(service)}},
                  log::Limit::none);
    });
}

} // namespace tunnel
