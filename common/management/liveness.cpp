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
    for (const auto* path : {"/ping", "/healthz", "/ready"})
        router.take_options_as_get(path);
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

void add_turns(const AllTurns& turns, Metrics& metrics)
{
    std::vector<Sample> longest;
    std::vector<Sample> longest_cpu;
    std::vector<Sample> over_limit;
    for (const ThreadTurns& each : turns) {
        const Labels labels{{"thread", each.thread}};
        longest.emplace_back(std::chrono::duration<double>(each.longest).count(), labels);
        longest_cpu.emplace_back(std::chrono::duration<double>(each.longest_cpu).count(), labels);
        over_limit.emplace_back(each.over_limit, labels);
    }
    metrics.gauge("tunnel_longest_turn_seconds",
                  "Longest time for which a thread served nothing else, since the last scrape.",
                  longest);
    metrics.gauge("tunnel_longest_turn_cpu_seconds",
                  "The same in processor time, without waiting for a processor.", longest_cpu);
    metrics.counter("tunnel_long_turns_total", "Turns that took longer than 100 ms.", over_limit);
}

} // namespace tunnel
