#include "origin-proxy/management/management.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/management/json_response.hpp"
#include "common/management/liveness.hpp"

namespace tunnel {

// While one remote proxy is away the visitors of the others are served, and so are those of one
// service while another is not open.
Response readiness(const OriginStatus& status)
{
    if (status.stopping)
        return refusal(503, "shutting down");
    if (std::ranges::none_of(status.links, &OriginStatus::Link::logged_in))
        return refusal(503, "not logged in to the remote proxy");
    const auto is_open = [](const OriginStatus::Service& each) { return !each.outside.empty(); };
    if (std::ranges::none_of(status.services, is_open))
        return refusal(503, "no service is open at the remote proxy");
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

void add_health(const OriginStatus& status, Metrics& metrics)
{
    std::vector<Sample> healthy;
    for (const OriginStatus::Service& service : status.services) {
        for (const OriginStatus::Health& each : service.health)
            healthy.emplace_back(each.healthy ? 1 : 0,
                                 Labels{{"service", service.name}, {"remote", each.remote}});
    }
    metrics.gauge("tunnel_origin_server_healthy",
                  "Whether the health checks find the origin server healthy: 1 or 0.", healthy);
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
    add_health(status, metrics);
    metrics.counter("tunnel_connects_total",
                    "Times that a control connection was tried, the first one included.",
                    {Sample(status.counts.connects)});
    metrics.gauge("tunnel_parked_connections", "Data connections that wait for a visitor.",
                  {Sample(status.parked)});
    add_relay_loads(status.relay_loads, metrics);
}

namespace {

Json to_json(const OriginStatus::Link& link)
{
    Json json{{"name", link.remote},       {"state", link.logged_in ? "logged-in" : "away"},
              {"log_ins", link.log_ins},   {"round_trip_seconds", nullptr},
              {"visitors", link.visitors}, {"parked", link.parked},
              {"through", nullptr}};
    if (link.round_trip)
        json["round_trip_seconds"] = std::chrono::duration<double>(*link.round_trip).count();
    if (!link.through.empty())
        json["through"] = link.through;
    return json;
}

Json to_json(const OriginStatus::Service& service)
{
    Json outside = Json::array();
    for (const OriginStatus::Outside& each : service.outside)
        outside.push_back({{"remote", each.remote}, {"address", each.address}});
    Json json{{"name", service.name},
              {"origin_server", service.origin_server},
              {"outside", std::move(outside)},
              {"not_open", Json::array()},
              {"healthy", nullptr}};
    for (const OriginStatus::NotOpen& each : service.not_open)
        json["not_open"].push_back(
            {{"remote", each.remote}, {"code", name_of(each.code)}, {"reason", each.reason}});
    if (const auto healthy = service.is_healthy())
        json["healthy"] = *healthy;
    return json;
}

constexpr auto as_json = [](const auto& each) { return to_json(each); };

Json summary(const OriginStatus& status)
{
    Json remotes = Json::array();
    for (const OriginStatus::Link& link : status.links)
        remotes.push_back(to_json(link));
    return {{"program", "origin-proxy"},
            {"version", TUNNEL_VERSION},
            {"ready", readiness(status).status == 200},
            {"stopping", status.stopping},
            {"visitors", status.visitors},
            {"parked", status.parked},
            {"services", status.services.size()},
            {"visitors_total", status.counts.visitors},
            {"bytes_to_origin", status.counts.to_origin},
            {"bytes_to_visitor", status.counts.to_visitor},
            {"failed_dials", status.counts.failed_dials},
            {"remotes", std::move(remotes)}};
}

} // namespace

Router origin_management(std::function<OriginStatus()> status, Reload reload,
                         std::shared_ptr<const ProcessMetrics> process,
                         std::function<AllTurns()> take_longest_turns)
{
    const auto add_all = [status, take = std::move(take_longest_turns)](Metrics& metrics) {
        add_metrics(status(), metrics);
        add_turns(take(), metrics);
    };
    Router router =
        status_router([status] { return readiness(status()); }, add_all, std::move(process));
    router.add(Method::get, "/v1/status",
               [status](const Request&) { return json_response(summary(status())); });
    router.add(Method::get, "/v1/services", [status](const Request& request) {
        return page_of_named("services", status().services, request, as_json);
    });
    router.add(Method::get, "/v1/services/{name}", [status](const Request& request) {
        return one_of_named(status().services, request.segments.at(2), as_json);
    });
    router.add(Method::post, "/v1/reload", [reload = std::move(reload)](const Request&) {
        Response response;
        response.later = [reload] { return answer_reload(reload); };
        return response;
    });
    return router;
}

} // namespace tunnel
