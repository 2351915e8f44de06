// What the remote proxy can be told.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/options/options.hpp"
#include "common/options/trust_options.hpp"
#include "remote-proxy/options/front_options.hpp"
#include "remote-proxy/options/service_options.hpp"

namespace tunnel {

struct RemoteOptions {
    CommonOptions common;
    TrustOptions trust;
    Address control_address;
    // Of the service `default`; none: there is no such service.
    std::optional<Address> outside_address;
    std::vector<RemoteService> services;
    // On which ports an origin proxy may open services of its own, by its name; "" is for those who
    // are not named here.
    std::map<std::string, PortRanges> allow_ports;
    FrontOptions fronts;
    AllowedHosts allow_hosts;
    milliseconds pairing_timeout = std::chrono::seconds(10);
    std::uint32_t max_waiting = 4096;
    ServiceRules rules; // of each service that does not say otherwise
    // Of one origin proxy, by its name; "" is for those who are not named here.
    std::map<std::string, Rates> bandwidth_per_origin;
    std::string state_file; // what the management interface changes; empty: it is not kept
    // Not flags: what the tests make shorter.
    milliseconds handshake_timeout = std::chrono::seconds(5);
    milliseconds probe_timeout = std::chrono::seconds(2);
    // Descriptors that the process may have open.
    std::size_t descriptor_limit = 1024;
};

// It may be asked to open ports below 1024 while it runs: by the management interface, or by origin
// proxies.
bool opens_low_ports(const RemoteOptions& options);

// Files of certificates that the program shows to anybody; some may be empty.
std::vector<std::string> certificates_shown(const RemoteOptions& options);

// Fills in the logins of services that have a basic-auth-file, out of files(). To be called at the
// start, and for the options of a reload; parse() and reread_options() do not. Throws
// std::runtime_error that names the file.
void read_logins(RemoteOptions& options);

// Fills `options` from the command line, the environment and the file of --config. nullopt: go on;
// else the exit code. `check_start` is called by `remote-proxy check`, and looks for what else the
// start would refuse; it throws std::runtime_error.
std::optional<int> parse(int argc, const char* const* argv, RemoteOptions& options,
                         const std::function<void(const RemoteOptions&)>& check_start = {});

// The options as the same command line and the files say now; what was never in them, and the
// secret of the environment, as in `current`. Throws std::runtime_error with everything that is
// wrong, a line for each.
RemoteOptions reread_options(int argc, const char* const* argv, const RemoteOptions& current);

// What the text of a configuration file says alone, in `options`. Answers what is wrong, a line for
// each.
std::string parse_configuration(std::string_view toml, const std::string& path,
                                RemoteOptions& options);

} // namespace tunnel
