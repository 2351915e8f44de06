#include "origin-proxy/options.hpp"

#include "origin-proxy/configuration.hpp"
#include "origin-proxy/parse_service.hpp"
#include "origin-proxy/trusted_remote.hpp"

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

CommandLine empty_line()
{
    return {"origin-proxy",
            "Runs on a private machine. Makes a TCP server there reachable from the internet "
            "through a public server, where remote-proxy runs. Only ever connects out."};
}

void add_tables(CommandLine& line, OriginOptions& options)
{
    const auto take = [&options](const Setting& table, Problems& problems) {
        read_services(table, options, problems);
    };
    line.add_table("services", take, "--service");
    line.on_check(
        [&options] { const TrustedRemote read(options.trust, options.remote_proxy_address.host); });
}

// What is wrong with the services; empty: nothing.
std::string wrong_services(const CommandLine& line, const OriginOptions& options)
{
    const bool has_services = line.has("--service") || line.has("services");
    if (line.has("--origin-server-addr") && has_services)
        return "--origin-server-addr is for one service without a name, and --service or "
               "[services] for those that have names: give one of the two";
    if (!line.has("--origin-server-addr") && !has_services)
        return "--origin-server-addr or --service is required";
    if (!line.has("--service")) // the tables of a file have been looked at
        return {};
    const std::string wrong = contradiction(options.services);
    return wrong.empty() ? wrong : "--service: " + wrong;
}

// What the flag says of all. A table of the file may say otherwise.
void complete(const CommandLine& line, OriginOptions& options)
{
    if (!line.has("--service"))
        return;
    for (OriginService& each : options.services)
        each.proxy_protocol = options.proxy_protocol;
}

void add_flags(CommandLine& line, OriginOptions& options)
{
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
    add_tables(line, options);
    line.check([&line, &options] { return wrong_services(line, options); });
}

} // namespace

std::optional<int> parse(int argc, const char* const* argv, OriginOptions& options)
{
    CommandLine line = empty_line();
    add_flags(line, options);
    const auto code = line.parse(argc, argv);
    complete(line, options);
    return code;
}

OriginOptions reread_options(int argc, const char* const* argv, const OriginOptions& current)
{
    OriginOptions fresh;
    fresh.trust.secret = current.trust.secret;
    fresh.first_retry = current.first_retry;
    fresh.slowest_retry = current.slowest_retry;
    fresh.parked_for = current.parked_for;
    fresh.healthy_spell = current.healthy_spell;
    fresh.descriptor_limit = current.descriptor_limit;
    CommandLine line = empty_line();
    add_flags(line, fresh);
    line.parse_again(argc, argv);
    complete(line, fresh);
    return fresh;
}

std::string parse_configuration(std::string_view toml, const std::string& path,
                                OriginOptions& options)
{
    CommandLine line = empty_line();
    add_flags(line, options);
    return line.parse_text(toml, path);
}

} // namespace tunnel
