#include "common/management/liveness.hpp"

#include <string>
#include <utility>

namespace tunnel {

Router status_router(std::function<Response()> readiness, std::function<void(Metrics&)> add_metrics,
                     std::shared_ptr<const ProcessMetrics> process)
{
    Router router;
    router.add(Method::get, "/ping", [](const Request&) { return Response{200, "pong"}; });
    router.add(Method::get, "/healthz", [](const Request&) { return Response{200, "ok\n"}; });
    router.add(Method::get, "/ready",
               [readiness = std::move(readiness)](const Request&) { return readiness(); });
    router.add(Method::get, "/metrics",
               [add = std::move(add_metrics), process = std::move(process)](const Request&) {
                   Metrics metrics;
                   process->add_to(metrics);
                   add(metrics);
                   return metrics.response();
               });
    return router;
}

void add_relay_loads(const std::vector<std::size_t>& loads, Metrics& metrics)
{
    std::vector<Sample> samples;
    for (std::size_t worker = 0; worker < loads.size(); ++worker)
        samples.emplace_back(loads[worker], Labels{{"worker", std::to_string(worker)}});
    metrics.gauge("tunnel_relay_pairs", "Visitors whose bytes a thread of the relay moves.",
                  samples);
}

} // namespace tunnel
