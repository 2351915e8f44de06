// The tables of the remote proxy's configuration file.
#pragma once

#include <vector>

#include "common/options/document.hpp"
#include "common/options/overlaps.hpp"
#include "remote-proxy/options/options.hpp"

namespace tunnel {

// Where origin proxies and the visitors of the service `default` come, by the names of the options.
std::vector<Listening> program_addresses(const RemoteOptions& options);

// Puts what [origins.NAME] say into `options`, in which the flags are already. Answers the names.
std::vector<std::string> read_origins(const Setting& origins, RemoteOptions& options,
                                      Problems& problems);

// The same for [services.NAME], which may be for `origins` alone, unless that is empty.
void read_services(const Setting& tables, const std::vector<std::string>& origins,
                   RemoteOptions& options, Problems& problems);

} // namespace tunnel
