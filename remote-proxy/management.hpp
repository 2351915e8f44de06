// The management interface of the remote proxy.
#pragma once

#include <functional>
#include <memory>

#include "common/management/process_metrics.hpp"
#include "common/management/router.hpp"
#include "remote-proxy/management_status.hpp"

namespace tunnel {

// What is answered to whom; `status` is asked at each request that needs it. Both programs have
// GET /ping, /healthz, /ready and /metrics.
Router remote_management(std::function<RemoteStatus()> status,
                         std::shared_ptr<const ProcessMetrics> process);

// 200 if each service that is expected to be served is, and it is not about to stop; else 503 with
// the reason.
Response readiness(const RemoteStatus& status);

// All but those of the process.
void add_metrics(const RemoteStatus& status, Metrics& metrics);

} // namespace tunnel
