#include "remote-proxy/options/options.hpp"

#include <algorithm>
#include <memory>
#include <set>
#include <string_view>

#include <fmt/format.h>

#include "common/options/bandwidth_options.hpp"
#include "common/options/overlaps.hpp"
#include "common/options/rule_options.hpp"
#include "common/protocol/frame.hpp"
#include "remote-proxy/options/configuration.hpp"
#include "remote-proxy/options/port_range.hpp"
#include "remote-proxy/preflight.hpp"

namespace tunnel {

namespace {

// What is wrong with the services; empty: nothing.
std::string wrong_services(const CommandLine& line, const RemoteOptions& options)
{
    if (!options.outside_address && options.services.empty() && options.allow_ports.empty() &&
        !line.has("services") && !options.common.management.address)
        return "--outside-addr, --service, --allow-ports or --management-addr is required";
    if (!options.state_file.empty() && !options.common.management.address)
        return "--state-file keeps what the management interface changes: give --management-addr "
               "too";
    if (!options.services.empty() && !line.has("--service")) // the tables have been looked at
        return {};
    std::set<std::string_view> names;
    if (options.outside_address)
        names.insert(default_service);
    for (const RemoteService& service : options.services) {
        if (!names.insert(service.name).second)
            return fmt::format("--service: there are two of the name {}", service.name);
    }
    std::vector<Listening> listening = program_addresses(options);
    for (const RemoteService& service : options.services)
        listening.push_back({"--service " + service.name, {}, {service.outside_address}});
    Problems overlaps;
    look_for_overlaps(listening, overlaps);
    return overlaps.empty() ? std::string() : overlaps.first();
}

// Rights that only somebody with a secret or certificate could have, where nobody is asked for one.
std::vector<std::string> rights_without_effect(const RemoteOptions& options)
{
    if (options.trust.has_secret() || !options.trust.ca_file.empty())
        return {};
    constexpr std::string_view way_out = "give both proxies --secret-file, or this one "
                                         "--tls-client-ca";
    std::vector<std::string> doubts;
    if (!options.allow_ports.empty())
        doubts.push_back(fmt::format("--allow-ports has no effect without a secret or "
                                     "certificates, and no origin proxy may open a service: {}",
                                     way_out));
    for (const RemoteService& each : options.services) {
        if (!each.origins.empty())
            doubts.push_back(fmt::format("services.{} is for some origin proxies alone, and "
                                         "without a secret or certificates nobody is known to be "
                                         "one of them, so nobody may serve it: {}",
                                         each.name, way_out));
    }
    return doubts;
}

CommandLine empty_line()
{
    return {"remote-proxy",
            "Runs on a public server. Lets visitors reach a TCP server on a private machine, "
            "where origin-proxy runs and connects to here."};
}

void add_tables(CommandLine& line, RemoteOptions& options)
{
    const auto origins = std::make_shared<std::vector<std::string>>();
    line.add_table("origins", [&options, origins](const Setting& table, Problems& problems) {
        *origins = read_origins(table, options, problems);
    });
    const auto take = [&options, origins](const Setting& table, Problems& problems) {
        read_services(table, *origins, options, problems);
    };
    line.add_table("services", take, "--service");
    line.check([&line, &options] { return wrong_services(line, options); });
    line.doubt([&options] { return rights_without_effect(options); });
    line.on_check([&options] { check_start(options); });
}

void describe(CommandLine& line)
{
    line.describe(
        {{"remote-proxy --control-addr :9001 --outside-addr :9000 --secret-file secret",
          "One service without a name: visitors connect to port 9000, and the origin proxy, which "
          "has the same secret, to port 9001:"},
         {"remote-proxy --control-addr :9001 --secret-file secret --allow-ports 20000-20100",
          "Origin proxies open services of their own on these ports:"},
         {"remote-proxy check --config remote-proxy.toml",
          "Report everything that is wrong with a configuration file:"}},
        {"--control-addr", "--outside-addr", "--service", "--allow-ports", "--secret-file",
         "--secrets-file", "--max-connections", "--allow", "--deny", "--management-addr",
         "--log-level", "--log-format", "--watch"});
}

// Beside the rules of services, all that change_services() and TrustedOrigins take from the
// options.
void say_what_reloads(CommandLine& line)
{
    line.applied_by_reload({"--outside-addr", "--service", "--allow-ports", "--secrets-file",
                            "--tls-client-ca", "--max-bandwidth-up-per-origin",
                            "--max-bandwidth-down-per-origin"});
}

void add_commands(CommandLine& line, Command& command)
{
    const CommandForm::Part json{"--json", "Print JSON instead of a table", &command.json};
    const CommandForm::Part watch{"--watch", "Print it anew each second, on a terminal in place",
                                  &command.watch};
    const CommandForm::Part is_origin{"--origin", "NAME is an origin proxy's", &command.is_origin};
    const CommandForm::Part name{"NAME", "A service", &command.name};
    line.add_command({"status",
                      "shows the state of the running program, with its services and "
                      "origin proxies",
                      {json, watch},
                      std::string(exit_of_status)});
    line.add_command({"visitors",
                      "shows who is here",
                      {{"--service", "Those of this service alone", &command.service},
                       {"--origin", "Those of this origin proxy alone", &command.origin},
                       json,
                       watch}});
    line.add_command({"drain",
                      "lets no more visitors come to a service, or to an origin proxy with "
                      "--origin; those who are here go on",
                      {name, is_origin, json}});
    line.add_command({"resume", "lets them come again", {name, is_origin, json}});
    line.add_command({"reload",
                      "makes the running program read its files again, as SIGHUP does, and shows "
                      "what has changed or what is wrong",
                      {json}});
}

void add_flags(CommandLine& line, RemoteOptions& options)
{
    describe(line);
    line.group("Addresses and services");
    line.add("--control-addr", options.control_address,
             "Where the origin proxy connects to, with its control and data connections",
             CommandLine::Need::required);
    line.add("--outside-addr", options.outside_address,
             "Where visitors connect to; refuses them while no origin proxy is logged in");
    line.add_each("--service", std::string(remote_service_syntax),
                  "A service with a name, and where its visitors connect to; several origin "
                  "proxies that offer it share them. May be given several times",
                  [&options](std::string_view text) {
                      options.services.push_back(parse_remote_service(text));
                  });
    line.add_each("--allow-ports", "PORT[-PORT]",
                  "Ports at which origin proxies, if they have a secret or certificate, may open "
                  "services of their own",
                  [&options](std::string_view text) {
                      options.allow_ports[std::string()].push_back(read_port_range(text));
                  });
    line.group("Visitors");
    line.add("--pairing-timeout", options.pairing_timeout,
             "Reset a visitor that was not connected to the origin server for this long; also how "
             "long visitors may still come while the control connection is lost");
    line.add("--max-waiting", options.max_waiting,
             "Reset a visitor at once when this many wait to be connected to the origin server", 1,
             12'000); // so many announcements fit the outbox of a control connection
    options.trust.accepts = true;
    line.add(options.trust);
    line.add_file("--secrets-file", options.trust.secrets_file,
                  "TOML file with the names of several origin proxies and the secrets of each");
    line.add_file("--tls-client-ca", options.trust.ca_file,
                  "Origin proxies need a certificate of this authority, PEM");
    tunnel::add_flags(line, service_rule_options(), options.rules);
    line.group("Bandwidth");
    add_origin_bandwidth(line, options.bandwidth_per_origin[std::string()]);
    line.group("Management");
    line.add_file("--state-file", options.state_file,
                  "Keeps what the management interface changes beyond a restart; JSON, made if it "
                  "is not there");
    line.add(options.common);
    say_what_reloads(line);
    add_commands(line, options.common.command);
    add_tables(line, options);
}

// What the flags say of all services. A table of the file may say otherwise.
void complete(const CommandLine& line, RemoteOptions& options)
{
    if (!line.has("--service"))
        return;
    for (RemoteService& each : options.services)
        each.rules = options.rules;
}

} // namespace

std::vector<std::filesystem::path> files_to_read_again(const RemoteOptions& options)
{
    return files_to_read_again(options.common, options.trust);
}

std::vector<std::string> certificates_shown(const RemoteOptions& options)
{
    return {options.trust.own.certificate, options.common.management.certificate.certificate};
}

bool opens_low_ports(const RemoteOptions& options)
{
    constexpr std::uint16_t first_free = 1024;
    const auto reaches_low = [](const auto& entry) {
        return std::ranges::any_of(entry.second,
                                   [](const PortRange& range) { return range.first < first_free; });
    };
    return options.common.management.address.has_value() ||
           std::ranges::any_of(options.allow_ports, reaches_low);
}

std::optional<int> parse(int argc, const char* const* argv, RemoteOptions& options)
{
    CommandLine line = empty_line();
    add_flags(line, options);
    const auto code = line.parse(argc, argv);
    complete(line, options);
    return code;
}

RemoteOptions reread_options(int argc, const char* const* argv, const RemoteOptions& current)
{
    RemoteOptions fresh;
    fresh.trust.secret = current.trust.secret;
    fresh.handshake_timeout = current.handshake_timeout;
    fresh.probe_timeout = current.probe_timeout;
    fresh.descriptor_limit = current.descriptor_limit;
    CommandLine line = empty_line();
    add_flags(line, fresh);
    line.parse_again(argc, argv);
    complete(line, fresh);
    return fresh;
}

std::string parse_configuration(std::string_view toml, const std::string& path,
                                RemoteOptions& options)
{
    CommandLine line = empty_line();
    add_flags(line, options);
    return line.parse_text(toml, path);
}

} // namespace tunnel
