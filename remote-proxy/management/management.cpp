#include "remote-proxy/management/management.hpp"

#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/management/liveness.hpp"

namespace tunnel {

namespace {

std::vector<Sample> by_reason(const std::vector<RemoteStatus::Refused>& refused)
{
    std::vector<Sample> samples;
    for (const auto& [reason, count] : refused)
        samples.emplace_back(count, Labels{{"reason", std::string(name_of(reason))}});
    return samples;
}

void add_services(const std::vector<RemoteStatus::Service>& services, Metrics& metrics)
{
    std::vector<Sample> here;
    std::vector<Sample> all;
    std::vector<Sample> bytes;
    std::vector<Sample> origins;
    for (const RemoteStatus::Service& each : services) {
        const std::pair<std::string, std::string> service{"service", each.name};
        here.emplace_back(each.visitors, Labels{service});
        all.emplace_back(each.counts.visitors, Labels{service});
        origins.emplace_back(each.origins, Labels{service});
        bytes.emplace_back(each.counts.to_origin, Labels{service, {"direction", "to_origin"}});
        bytes.emplace_back(each.counts.to_visitor, Labels{service, {"direction", "to_visitor"}});
    }
    metrics.gauge("tunnel_visitors", "Visitors who are here, waiting or being served.", here);
    metrics.counter("tunnel_visitors_total", "Visitors who were let in.", all);
    metrics.counter("tunnel_visitor_bytes_total", "Bytes of visitors who have left.", bytes);
    metrics.gauge("tunnel_service_origin_proxies", "Origin proxies that serve the service.",
                  origins);
}

void add_fronts(const std::vector<RemoteStatus::AtFront>& fronts, Metrics& metrics)
{
    if (fronts.empty())
        return;
    std::vector<Sample> samples;
    for (const auto& [front, result, count] : fronts)
        samples.emplace_back(
            count, Labels{{"front", std::string(front)}, {"result", std::string(result)}});
    metrics.counter("tunnel_front_visitors_total",
                    "Visitors of addresses that services share, by what became of them there.",
                    samples);
}

// Services of HTTP only.
void add_requests(const std::vector<RemoteStatus::Service>& services, Metrics& metrics)
{
    std::vector<Sample> requests;
    std::vector<Sample> responses;
    std::vector<Sample> own;
    for (const RemoteStatus::Service& each : services) {
        if (!each.requests)
            continue;
        const HttpServiceCounts& counts = *each.requests;
        const std::pair<std::string, std::string> service{"service", each.name};
        requests.emplace_back(counts.requests(), Labels{service});
        for (std::size_t i = 0; i < HttpServiceCounts::classes.size(); ++i)
            responses.emplace_back(
                counts.responses(i),
                Labels{service, {"class", std::string(HttpServiceCounts::classes[i])}});
        for (std::size_t i = 0; i < HttpServiceCounts::own_codes.size(); ++i) {
            if (counts.own(i) > 0)
                own.emplace_back(
                    counts.own(i),
                    Labels{service,
                           {"code", std::string(name_of(HttpServiceCounts::own_codes[i]))}});
        }
    }
    if (requests.empty())
        return;
    metrics.counter("tunnel_http_forwarded_total", "Requests that were sent to an origin proxy.",
                    requests);
    metrics.counter("tunnel_http_requests_total",
                    "Requests that were answered, by the class of the status.", responses);
    metrics.counter("tunnel_http_own_answers_total",
                    "Requests that the remote proxy answered itself, by the reason.", own);
}

void add_origins(const RemoteStatus& status, Metrics& metrics)
{
    metrics.gauge("tunnel_origin_proxies", "Origin proxies that are logged in.",
                  {Sample(status.origins.size())});
    metrics.counter("tunnel_log_ins_total", "Log-ins of origin proxies.",
                    {Sample(status.counts.log_ins)});
    metrics.counter("tunnel_log_ins_rejected_total", "Log-ins that were rejected.",
                    {Sample(status.log_ins_rejected)});
    metrics.counter("tunnel_log_ins_unproved_total",
                    "Attempts to log in without the secret or a certificate that is trusted.",
                    {Sample(status.counts.no_proof)});
    metrics.counter("tunnel_control_refused_total",
                    "Connections to the control address that were closed, or refused since their "
                    "address is blocked.",
                    by_reason(status.control_refused));
    std::vector<Sample> round_trips;
    for (const RemoteStatus::Origin& origin : status.origins) {
        if (origin.round_trip)
            round_trips.emplace_back(std::chrono::duration<double>(*origin.round_trip).count(),
                                     Labels{{"origin", origin.name}});
    }
    metrics.gauge("tunnel_control_round_trip_seconds",
                  "Round trip to the origin proxy, as the kernel estimates it.", round_trips);
}

} // namespace

Response readiness(const RemoteStatus& status)
{
    if (status.stopping)
        return refusal(503, "shutting down");
    std::vector<std::string_view> unserved;
    for (const RemoteStatus::Service& each : status.services) {
        if (each.expected && each.origins == 0)
            unserved.emplace_back(each.name);
    }
    if (!unserved.empty())
        return refusal(503, fmt::format("no origin proxy for {}", fmt::join(unserved, ", ")));
    return {200, "ready\n"};
}

void add_metrics(const RemoteStatus& status, Metrics& metrics)
{
    add_services(status.services, metrics);
    add_fronts(status.at_fronts, metrics);
    add_requests(status.services, metrics);
    metrics.gauge("tunnel_http_visitors", "Visitors who speak HTTP and have no request under way.",
                  {Sample(status.http_visitors)});
    metrics.gauge("tunnel_http_streams", "Streams to origin servers that wait for a request.",
                  {Sample(status.http_streams)});
    metrics.gauge("tunnel_visitor_capacity", "Visitors for whom there are descriptors.",
                  {Sample(status.visitor_capacity)});
    metrics.gauge("tunnel_visitors_waiting", "Visitors who wait for a data connection.",
                  {Sample(status.waiting)});
    metrics.counter("tunnel_visitors_refused_total",
                    "Visitors who were reset instead of being served.",
                    by_reason(status.visitors_refused));
    metrics.histogram("tunnel_pairing_seconds",
                      "From a visitor's arrival to a data connection for it.",
                      status.counts.pairing);
    add_origins(status, metrics);
    metrics.gauge("tunnel_parked_connections", "Data connections that wait for a visitor.",
                  {Sample(status.parked)});
    metrics.counter("tunnel_accept_failures_total",
                    "Times that the system could not hand out a connection.",
                    {Sample(status.accept_failures)});
    add_relay_loads(status.relay_loads, metrics);
}

} // namespace tunnel
