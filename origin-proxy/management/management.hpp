// The management interface of the origin proxy.
#pragma once

#include <functional>
#include <memory>

#include "common/base/turn_watch.hpp"
#include "common/management/process_metrics.hpp"
#include "common/management/reload.hpp"
#include "common/management/router.hpp"
#include "origin-proxy/management/status.hpp"

namespace tunnel {

// What is answered to whom; `status` is asked at each request that needs it, and `reload` answers
// false, and what is wrong, if the options cannot be read; `take_longest_turns` is asked for the
// metrics alone. docs/openapi-origin-proxy.yaml has all
// of it.
Router origin_management(std::function<OriginStatus()> status, Reload reload,
                         std::shared_ptr<const ProcessMetrics> process,
                         std::function<AllTurns()> take_longest_turns);

// 200 while a service is open at a remote proxy and it is not about to stop; else 503 with the
// reason.
Response readiness(const OriginStatus& status);

// All but those of the process.
void add_metrics(const OriginStatus& status, Metrics& metrics);

} // namespace tunnel
