#include "origin-proxy/options.hpp"

#include "origin-proxy/parse_service.hpp"

namespace tunnel {

namespace {

bool read_proxy_protocol(const std::string& text, ProxyProtocol& value)
{
    if (text == "off")
        value = ProxyProtocol::off;
    else if (text == "v1")
        value = ProxyProtocol::v1;
    else if (text == "v2")
        value = ProxyProtocol::v2;
    else
        return false;
    return true;
}

// What is wrong with the services; empty: nothing.
std::string wrong_services(const OriginOptions& options)
{
    const bool has_server = options.origin_server_address != Address();
    if (has_server && !options.services.empty())
        return "--origin-server-addr is for one service without a name, and --service for those "
               "that have names: give one of the two";
    if (!has_server && options.services.empty())
        return "--origin-server-addr or --service is required";
    if (const std::string wrong = contradiction(options.services); !wrong.empty())
        return "--service: " + wrong;
    return {};
}

} // namespace

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
             CommandLine::Need::optional);
    line.add_each("--service", std::string(service_syntax),
                  "A service with a name, instead of --origin-server-addr, and behind @ where "
                  "visitors connect to on the remote proxy's machine, 0 for any free port; "
                  "NAME=HOST:FIRST-LAST@FIRST-LAST for ports side by side. May be given several "
                  "times",
                  [&options](std::string_view text) {
                      for (OriginService& each : parse_service(text))
                          options.services.push_back(std::move(each));
                  });
    line.add_choice("--proxy-protocol",
                    "Tell the origin server who the visitor is, by a header of the PROXY protocol "
                    "before its first byte: off, v1 or v2",
                    "off", "off, v1 or v2", [&options](const std::string& text) {
                        return read_proxy_protocol(text, options.proxy_protocol);
                    });
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
    line.check([&options] { return wrong_services(options); });
    const auto code = line.parse(argc, argv);
    for (OriginService& each : options.services) {
        if (each.proxy_protocol == ProxyProtocol::off)
            each.proxy_protocol = options.proxy_protocol;
    }
    return code;
}

} // namespace tunnel
