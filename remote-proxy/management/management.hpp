// What the management interface of the remote proxy tells of its state.
#pragma once

#include "common/http/response.hpp"
#include "common/management/metrics.hpp"
#include "remote-proxy/management/status.hpp"

namespace tunnel {

// 200 if each service that is expected to be served is, and it is not about to stop; else 503 with
// the reason.
Response readiness(const RemoteStatus& status);

// All but those of the process.
void add_metrics(const RemoteStatus& status, Metrics& metrics);

} // namespace tunnel
