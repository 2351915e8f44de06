// The tables of the remote proxy's configuration file.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/options/document.hpp"
#include "common/options/http_options.hpp"
#include "common/options/option.hpp"
#include "common/options/outside.hpp"
#include "common/options/overlaps.hpp"
#include "remote-proxy/options/options.hpp"

namespace tunnel {

// Where the program listens for origin proxies and for the visitors of the service `default`, by
// the names of the options.
std::vector<Listening> program_addresses(const RemoteOptions& options);

// What a table [services.NAME] says.
struct RemoteServiceTable {
    RemoteService service; // but for its name and address
    OutsideKeys outside{};
    HttpOptions http{};
};

// The keys of such a table. `check_origin` throws std::invalid_argument if no origin proxy can have
// this name.
OptionList describe(RemoteServiceTable& table,
                    std::function<void(const std::string& name)> check_origin);

// Puts what [origins.NAME] say into `options`, in which the flags are already. Answers the names.
std::vector<std::string> read_origins(const Setting& origins, RemoteOptions& options,
                                      Problems& problems);

// The same for [services.NAME], which may be for `origins` alone, unless that is empty.
void read_services(const Setting& tables, const std::vector<std::string>& origins,
                   RemoteOptions& options, Problems& problems);

} // namespace tunnel
