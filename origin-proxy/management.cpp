#include "origin-proxy/management.hpp"

#include <algorithm>
#include <utility>

#include "common/management/liveness.hpp"
#include "origin-proxy/origin_proxy.hpp"

namespace tunnel {

OriginStatus OriginProxy::status() const
{
    OriginStatus status;
    status.stopping = stopping_;
    for (const auto& link : links_)
        status.links.push_back(
            {to_string(link->address()), link->logged_in(), link->log_ins(), link->round_trip()});
    status.visitors = visitors();
    status.parked = parked();
    status.relay_loads = shared_.relay.loads();
    status.counts = shared_.counts;
    return status;
}

// While one remote proxy is away the visitors of the others are served.
Response readiness(const OriginStatus& status)
{
    if (status.stopping)
        return refusal(503, "shutting down");
    if (std::ranges::none_of(status.links, &OriginStatus::Link::logged_in))
        return refusal(503, "not logged in to the remote proxy");
    return {200, "ready\n"};
}

namespace {

void add_links(const OriginStatus& status, Metrics& metrics)
{
    std::vector<Sample> logged_in;
    std::vector<Sample> log_ins;
    std::vector<Sample> round_trips;
    for (const OriginStatus::Link& link : status.links) {
        const Labels remote{{"remote", link.remote}};
        logged_in.emplace_back(link.logged_in ? 1 : 0, remote);
        log_ins.emplace_back(link.log_ins, remote);
        if (link.round_trip)
            round_trips.emplace_back(std::chrono::duration<double>(*link.round_trip).count(),
                                     remote);
    }
    metrics.gauge("tunnel_logged_in", "Whether the remote proxy has said welcome: 1 or 0.",
                  logged_in);
    metrics.counter("tunnel_log_ins_total", "Log-ins that the remote proxy has welcomed.", log_ins);
    metrics.gauge("tunnel_control_round_trip_seconds",
                  "Round trip to the remote proxy, as the kernel estimates it.", round_trips);
}

} // namespace

void add_metrics(const OriginStatus& status, Metrics& metrics)
{
    metrics.gauge("tunnel_visitors", "Visitors who are being connected or served.",
                  {Sample(status.visitors)});
    metrics.counter("tunnel_visitors_total", "Visitors who were announced and taken.",
                    {Sample(status.counts.visitors)});
    metrics.counter("tunnel_visitor_bytes_total", "Bytes of visitors who have left.",
                    {Sample(status.counts.to_origin, {{"direction", "to_origin"}}),
                     Sample(status.counts.to_visitor, {{"direction", "to_visitor"}})});
    metrics.histogram("tunnel_origin_dial_seconds",
                      "From a visitor's announcement to a connection to the origin server.",
                      status.counts.dials);
    metrics.counter("tunnel_origin_dial_failures_total",
                    "Visitors for whom the origin server could not be connected to.",
                    {Sample(status.counts.failed_dials)});
    add_links(status, metrics);
    metrics.counter("tunnel_connects_total",
                    "Times that a control connection was tried, the first one included.",
                    {Sample(status.counts.connects)});
    metrics.gauge("tunnel_parked_connections", "Data connections that wait for a visitor.",
                  {Sample(status.parked)});
    add_relay_loads(status.relay_loads, metrics);
}

Router origin_management(std::function<OriginStatus()> status,
                         std::shared_ptr<const ProcessMetrics> process)
{
    return status_router([status] { return readiness(status()); },
                         [status](Metrics& metrics) { add_metrics(status(), metrics); },
                         std::move(process));
}

} // namespace tunnel
