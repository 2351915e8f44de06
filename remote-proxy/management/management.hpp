// The state of the remote proxy, as its management interface reports it.
#pragma once

#include "common/http/response.hpp"
#include "common/management/metrics.hpp"
#include "remote-proxy/management/status.hpp"

namespace tunnel {

// 200 if each required service is served and the program is not stopping; else 503 with the reason.
Response readiness(const RemoteStatus& status);

// All metrics except those of the process.
void add_metrics(const RemoteStatus& status, Metrics& metrics);

} // namespace tunnel
