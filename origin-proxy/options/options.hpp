// What the origin proxy can be told.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/options/options.hpp"
#include "common/options/trust_options.hpp"
#include "origin-proxy/options/connect_through.hpp"
#include "origin-proxy/options/service_options.hpp"

namespace tunnel {

// A remote proxy to log in to.
struct RemotePeer {
    Address address;
    std::optional<TrustOptions> trust{}; // none: as towards the others
    std::optional<ConnectThrough> way{}; // none: as to the others
};

struct OriginOptions {
    CommonOptions common;
    TrustOptions trust;
    std::string name; // that tells it from others with the same secret; empty: it tells none
    std::vector<RemotePeer> remote_proxies; // one at least, each with another address
    ConnectThrough connect_through;         // to get there
    ServerAddress origin_server_address;    // of the service `default`, if there are no others
    // Each is offered to the remote proxy. Empty: the service `default` alone, of the log-in.
    std::vector<OriginService> services;
    ServingRules rules;         // of each service that does not say otherwise
    Rates bandwidth_per_origin; // of all services together
    milliseconds dial_timeout = std::chrono::seconds(5);
    std::optional<std::uint32_t> max_retries; // consecutive ones; none: no limit
    // Data connections to keep ready for visitors; none: as many as visitors seem to need.
    std::optional<std::uint32_t> parked_connections;
    // Not flags: what the tests make shorter.
    milliseconds first_retry{250};
    milliseconds slowest_retry = std::chrono::seconds(30);
    milliseconds parked_for = std::chrono::seconds(30); // then one that was not needed is closed
    milliseconds healthy_spell = std::chrono::seconds(10);
    milliseconds answered_within = std::chrono::seconds(5); // each offer, to be told as ready
    // Descriptors that the process may have open.
    std::size_t descriptor_limit = 1024;

    const TrustOptions& trust_of(const RemotePeer& remote) const
    {
        return remote.trust ? *remote.trust : trust;
    }

    const ConnectThrough& way_to(const RemotePeer& remote) const
    {
        return remote.way ? *remote.way : connect_through;
    }

    // Towards whom there is something that others must not see.
    bool has_private_files() const;

    // A certificate may be checked against the authorities that the system trusts.
    bool trusts_system_authorities() const;

    // Files of certificates that the program shows to anybody; some may be empty, or given twice.
    std::vector<std::string> certificates_shown() const;
};

// Paths of the Unix sockets that are served.
std::vector<std::string> unix_servers(const OriginOptions& options);

// Logs the forward proxies on the way to the remote proxies, if there are any.
void log_ways(const OriginOptions& options);

// Reads the passwords of forward proxies, as read_logins() reads those. Throws likewise.
void read_proxy_passwords(OriginOptions& options);

// Fills in the logins of services that have a basic-auth-file, out of files(). To be called at the
// start, and for the options of a reload; parse() and reread_options() do not. Throws
// std::runtime_error that names the file.
void read_logins(OriginOptions& options);

// Fills `options` from the command line, the environment and the file of --config. nullopt: go on;
// else the exit code. `check_start` is called by `origin-proxy check`, and looks for what else the
// start would refuse; it throws std::runtime_error.
std::optional<int> parse(int argc, const char* const* argv, OriginOptions& options,
                         const std::function<void(const OriginOptions&)>& check_start = {});

// The options as the same command line and the files say now; what was never in them, and the
// secret of the environment, as in `current`. Throws std::runtime_error with everything that is
// wrong, a line for each.
OriginOptions reread_options(int argc, const char* const* argv, const OriginOptions& current);

// What the text of a configuration file says alone, in `options`. Answers what is wrong, a line for
// each.
std::string parse_configuration(std::string_view toml, const std::string& path,
                                OriginOptions& options);

} // namespace tunnel
