#include "origin-proxy/options.hpp"

namespace tunnel {

std::optional<int> parse(int argc, const char* const* argv, OriginOptions& options)
{
    CommandLine line(
        "origin-proxy",
        "Runs on a private machine. Makes a TCP server there reachable from the internet "
        "through a public server, where remote-proxy runs. Only ever connects out.");
    line.add("--remote-proxy-addr", options.remote_proxy_address,
             "The control address of the remote proxy", CommandLine::Need::required);
    line.add("--origin-server-addr", options.origin_server_address,
             "The server to make reachable; \":8000\" means port 8000 of this machine",
             CommandLine::Need::required);
    line.add("--dial-timeout", options.dial_timeout,
             "Give up connecting, to the origin server or the remote proxy, after this long");
    line.add("--max-retries", options.max_retries,
             "Exit with status 1 when this many retries to log in have failed one after the other");
    line.add_number_or_auto(
        "--parked-connections", options.parked_connections,
        "Connections to keep ready for visitors, which saves each a round trip; auto: as many "
        "as they seem to need, 0: a fresh one for each visitor",
        256);
    line.add(options.trust);
    line.add_file(
        "--tls-ca", options.trust.ca_file,
        "The authority of the remote proxy's certificate, PEM; without it, those that the "
        "system trusts");
    line.add_file("--tls-server-name", options.trust.server_name,
                  "The name in the remote proxy's certificate, if it is not the host in "
                  "--remote-proxy-addr");
    line.add_switch("--tls-insecure", options.trust.insecure,
                    "Take any certificate: encrypted, but perhaps with somebody else");
    line.add(options.common);
    return line.parse(argc, argv);
}

} // namespace tunnel
