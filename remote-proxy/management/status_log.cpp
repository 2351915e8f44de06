#include "remote-proxy/management/status_log.hpp"

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/log.hpp"
#include "common/base/status_lines.hpp"
#include "remote-proxy/management/management.hpp"

namespace tunnel {

// All lines without a limit: the user asked for them.
namespace {

std::uint64_t sum(const std::vector<RemoteStatus::Refused>& refused)
{
    std::uint64_t all = 0;
    for (const RemoteStatus::Refused& each : refused)
        all += each.count;
    return all;
}

} // namespace

void log_status(const RemoteStatus& status, std::size_t visitors)
{
    const Response ready = readiness(status);
    log::info("status",
              {{"version", TUNNEL_VERSION},
               {"ready", ready.status == 200 ? "yes" : "no"},
               {"visitors", visitors},
               {"waiting", status.waiting},
               {"parked", status.parked},
               {"services", status.services.size()},
               {"origins", status.origins.size()},
               {"log-ins", status.counts.log_ins},
               {"log-ins-rejected", status.log_ins_rejected},
               {"visitors-refused", sum(status.visitors_refused)}},
              log::Limit::none);
    log_first(status.services, "services", [](const RemoteStatus::Service& service) {
        log::info("status: service",
                  {{"service", service.name},
                   {"outside", service.outside},
                   {"state", RemoteStatus::state_of(service)},
                   {"origins", service.origins},
                   {"visitors", service.visitors},
                   {"total", service.counts.visitors},
                   {"up", log::Bytes{service.counts.to_origin}},
                   {"down", log::Bytes{service.counts.to_visitor}}},
                  log::Limit::none);
    });
    log_first(status.origins, "origin proxies", [](const RemoteStatus::Origin& origin) {
        log::info("status: origin proxy",
                  {{"name", origin.name},
                   {"origin", origin.address},
                   {"version", origin.version},
                   {"state", origin.drained ? "drained" : "open"},
                   {"since", origin.age},
                   {"round-trip", origin.round_trip.value_or(microseconds(0))},
                   {"visitors", origin.visitors},
                   {"parked", origin.parked}},
                  log::Limit::none);
    });
}

} // namespace tunnel
