// Services as a plan looks at them.
#pragma once

#include <vector>

#include "remote-proxy/registry/service_plan.hpp"
#include "remote-proxy/visitors/service.hpp"

namespace tunnel {

// By their names.
std::vector<PresentService> present_services(const ServiceMap& services);

} // namespace tunnel
