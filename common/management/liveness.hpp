// What the management interfaces of both programs have in common.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "common/base/turn_watch.hpp"
#include "common/management/metrics.hpp"
#include "common/management/process_metrics.hpp"
#include "common/management/router.hpp"

namespace tunnel {

// GET /ping, as threshold has it, and GET /healthz: the process is alive. GET /ready and GET
// /metrics by these functions; the metrics of the process are added.
Router status_router(std::function<Response()> readiness, std::function<void(Metrics&)> add_metrics,
                     std::shared_ptr<const ProcessMetrics> process);

// Pairs of each worker of the relay.
void add_relay_loads(const std::vector<std::size_t>& loads, Metrics& metrics);

// How long the threads were busy with one thing.
void add_turns(const AllTurns& turns, Metrics& metrics);

} // namespace tunnel
