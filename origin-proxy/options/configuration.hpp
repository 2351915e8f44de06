// The tables [services.NAME] of the origin proxy's configuration file.
#pragma once

#include <optional>

#include "common/options/document.hpp"
#include "common/options/option.hpp"
#include "common/options/outside.hpp"
#include "origin-proxy/options/options.hpp"
#include "origin-proxy/options/servers.hpp"

namespace tunnel {

// What one of them says.
struct OriginServiceTable {
    OriginService service{}; // but for its addresses
    std::optional<Servers> servers{};
    OutsideKeys outside{};
};

OptionList describe(OriginServiceTable& table);

// Puts what the tables say into `options`, in which the flags are already: these hold for a service
// that does not say otherwise.
void read_services(const Setting& services, OriginOptions& options, Problems& problems);

} // namespace tunnel
