// Names of services, with the domain behind them.
#pragma once

#include <string>
#include <string_view>

#include "remote-proxy/options/options.hpp"

namespace tunnel {

// `host` with the domain behind it if that is one label; "" and "*" stay. Without a domain a label
// is a whole name.
std::string whole_host(std::string_view host, std::string_view domain);

// Puts the domain behind all names in the options. What is wrong with them; empty: nothing.
std::string complete_names(RemoteOptions& options);

} // namespace tunnel
