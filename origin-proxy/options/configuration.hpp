// The tables of the origin proxy's configuration file.
#pragma once

#include "common/options/document.hpp"
#include "origin-proxy/options/options.hpp"

namespace tunnel {

// Puts what [services.NAME] say into `options`, in which the flags are already. What these said of
// the PROXY protocol and of health checks holds for a service that says nothing of it.
void read_services(const Setting& services, OriginOptions& options, Problems& problems);

} // namespace tunnel
