#include "remote-proxy/options/description.hpp"

#include <memory>

#include "common/options/bandwidth_options.hpp"
#include "common/options/completion.hpp"
#include "common/options/value_readers.hpp"
#include "remote-proxy/options/configuration.hpp"
#include "remote-proxy/options/origins_config.hpp"
#include "remote-proxy/options/port_range.hpp"

namespace tunnel {

namespace {

// So many announcements fit the outbox of a control connection.
constexpr std::uint32_t most_waiting = 12'000;

OptionList address_options(RemoteOptions& options)
{
    const auto add_service = [&options](std::string_view text) {
        options.services.push_back(parse_remote_service(text));
    };
    const auto add_ports = [&options](std::string_view text) {
        options.allow_ports[std::string()].push_back(read_port_range(text));
    };
    const Trait common = Trait::reloads | Trait::common;
    return {{"control-addr", as_address(options.control_address),
             "Where the origin proxy connects to, with its control and data connections",
             Trait::required | Trait::common},
            {"outside-addr", as_address(options.outside_address),
             "Where visitors connect to; refuses them while no origin proxy is logged in", common},
            {"service", as_each(remote_service_syntax, add_service),
             "A service with a name, and where its visitors connect to; several origin proxies "
             "that offer it share them. May be given several times",
             common},
            {"allow-ports", as_each("PORT[-PORT]", add_ports),
             "Ports at which origin proxies, if they have a secret or certificate, may open "
             "services of their own",
             common},
            describe_allowed_hosts(options.allow_hosts[std::string()])};
}

OptionList trust_options(TrustOptions& options)
{
    const Trait file = Trait::reloads | Trait::never_empty;
    OptionList all = describe(options, "REMOTE_PROXY_SECRET");
    append(all, all.front().group,
           {{"secrets-file", as_file(options.secrets_file),
             "TOML file with the names of several origin proxies and the secrets of each",
             file | Trait::common},
            {"tls-client-ca", as_file(options.ca_file),
             "Origin proxies need a certificate of this authority, PEM", file}});
    return all;
}

OptionList all_options(RemoteOptions& options)
{
    OptionList all;
    append(all, "Addresses and services", address_options(options));
    append(all, describe(options.fronts));
    append(all, "Visitors",
           {{"pairing-timeout", as_duration(options.pairing_timeout),
             "Reset a visitor that was not connected to the origin server for this long; also how "
             "long visitors may still come while the control connection is lost"},
            {"max-waiting", as_number(options.max_waiting, 1, most_waiting),
             "Reset a visitor at once when this many wait to be connected to the origin server"}});
    append(all, trust_options(options.trust));
    append(all, describe(options.rules));
    append(all, describe_for_each_origin(options.bandwidth_per_origin[std::string()]));
    append(all, "Management",
           {{"state-file", as_written_file(options.state_file),
             "Keeps what the management interface changes beyond a restart; JSON, made if it is "
             "not there"}});
    append(all, describe(options.common));
    return all;
}

// In the order in which they must be read: services are for origin proxies.
std::vector<OptionTable> all_tables(RemoteOptions& options)
{
    const auto names = std::make_shared<std::vector<std::string>>();
    const auto take_origins = [&options, names](const Setting& tables, Problems& problems) {
        *names = read_origins(tables, options, problems);
    };
    const auto take_services = [&options, names](const Setting& tables, Problems& problems) {
        read_services(tables, *names, options, problems);
    };
    RemoteServiceTable any;
    return {{"origins", origin_keys(), take_origins},
            {"services", describe(any, [](const std::string&) {}), take_services, "service"}};
}

std::vector<CommandForm> all_commands(Command& command)
{
    std::vector<CommandForm> all;
    const CommandForm::Part json{"--json", "Print JSON instead of a table", &command.json};
    const CommandForm::Part watch{"--watch", "Print it anew each second, on a terminal in place",
                                  &command.watch};
    const CommandForm::Part is_origin{"--origin", "NAME is an origin proxy's", &command.is_origin};
    const CommandForm::Part name{"NAME", "A service", &command.name, "NAME",
                                 Completed::service_or_origin_proxy};
    all.push_back({"status",
                   "shows the state of the running program, with its services and "
                   "origin proxies",
                   {json, watch, {"--alive", std::string(help_of_alive), &command.alive}},
                   std::string(exit_of_status)});
    all.push_back({"visitors",
                   "shows who is here",
                   {{"--service", "Those of this service alone", &command.service, "NAME",
                     Completed::service},
                    {"--origin", "Those of this origin proxy alone", &command.origin, "NAME",
                     Completed::origin_proxy},
                    json,
                    watch}});
    all.push_back({"drain",
                   "lets no more visitors come to a service, or to an origin proxy with "
                   "--origin; those who are here go on",
                   {name, is_origin, json}});
    all.push_back({"resume", "lets them come again", {name, is_origin, json}});
    all.push_back({"reload",
                   "makes the running program read its files again, as SIGHUP does, and shows "
                   "what has changed or what is wrong",
                   {json}});
    all.push_back({std::string(command_for_names),
                   "prints the names of services or of origins, for shells that complete them",
                   {{"LIST", "services or origins", &command.name}},
                   {},
                   true});
    for (CommandForm& each : all) {
        for (CommandForm::Part& part : https_parts(command))
            each.parts.push_back(std::move(part));
    }
    all.push_back(takeover_form(command));
    return all;
}

} // namespace

ProgramDescription describe(RemoteOptions& options)
{
    return {"remote-proxy",
            "Runs on a public server. Lets visitors reach a TCP server on a private machine, "
            "where origin-proxy runs and connects to here.",
            {{"remote-proxy --control-addr :9001 --outside-addr :9000 --secret-file secret",
              "One service without a name: visitors connect to port 9000, and the origin proxy, "
              "which has the same secret, to port 9001:"},
             {"remote-proxy --control-addr :9001 --secret-file secret --allow-ports 20000-20100",
              "Origin proxies open services of their own on these ports:"},
             {"remote-proxy --control-addr :9001 --secret-file secret --domain example.com "
              "--https-addr :443 --certificates certificates",
              "Origin proxies take names below example.com on one port:"},
             {"remote-proxy check --config remote-proxy.toml",
              "Report everything that is wrong with a configuration file:"}},
            all_options(options),
            all_tables(options),
            all_commands(options.common.command),
            "public side of a reverse tunnel to servers on private machines"};
}

} // namespace tunnel
