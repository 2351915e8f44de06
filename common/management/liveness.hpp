// What the management interfaces of both programs have in common.
#pragma once

#include <cstddef>
#include <vector>

#include "common/management/metrics.hpp"
#include "common/management/router.hpp"

namespace tunnel {

// GET /ping, as threshold has it, and GET /healthz: whoever answers them lives.
void add_liveness(Router& router);

// Pairs of each worker of the relay.
void add_relay_loads(const std::vector<std::size_t>& loads, Metrics& metrics);

} // namespace tunnel
