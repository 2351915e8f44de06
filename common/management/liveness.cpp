#include "common/management/liveness.hpp"

#include <string>

namespace tunnel {

void add_liveness(Router& router)
{
    router.add(Method::get, "/ping", [](const Request&) { return Response{200, "pong"}; });
    router.add(Method::get, "/healthz", [](const Request&) { return Response{200, "ok\n"}; });
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
