// Services as a plan looks at them.
#pragma once

#include <vector>

#include "remote-proxy/service.hpp"
#include "remote-proxy/service_plan.hpp"

namespace tunnel {

// By their names.
std::vector<PresentService> present_services(const ServiceMap& services);

} // namespace tunnel
