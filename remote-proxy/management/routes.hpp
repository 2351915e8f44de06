// What the management interface of the remote proxy answers and changes.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/management/process_metrics.hpp"
#include "common/management/reload.hpp"
#include "common/management/router.hpp"

namespace tunnel {

class ManagedProxy;
class StateFile;

// What requests act on. All of it outlives the router.
struct Managed {
    ManagedProxy& proxy;
    Reload reload;
    StateFile* state = nullptr; // null: changes hold until the program ends
};

// All routes: those of both programs, threshold's, and ours below /v1; see
// docs/openapi-remote-proxy.yaml.
Router remote_management(Managed managed, std::shared_ptr<const ProcessMetrics> process);

} // namespace tunnel
