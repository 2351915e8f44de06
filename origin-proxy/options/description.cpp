#include "origin-proxy/options/description.hpp"

#include "common/options/bandwidth_options.hpp"
#include "common/options/value_readers.hpp"
#include "origin-proxy/options/configuration.hpp"
#include "origin-proxy/options/parse_service.hpp"
#include "origin-proxy/options/remote_peers.hpp"

namespace tunnel {

namespace {

constexpr std::uint32_t most_parked = 256;

OptionList address_options(OriginOptions& options)
{
    const auto add_address = [&options](std::string_view text) { add_remote_proxy(text, options); };
    const auto add_service = [&options](std::string_view text) {
        for (OriginService& each : parse_service(text))
            options.services.push_back(std::move(each));
    };
    const Trait common = Trait::reloads | Trait::common;
    return {{"remote-proxy-addr", as_each("HOST:PORT", add_address),
             "The control address of the remote proxy. May be given several times: visitors of "
             "each of these remote proxies are served",
             common},
            {"origin-server-addr", as_server_address(options.origin_server_address),
             "The server to make reachable; \":8000\" means port 8000 of this machine, "
             "unix:/run/app.sock a Unix socket",
             common},
            {"service", as_each(service_syntax, add_service),
             "A service with a name, instead of --origin-server-addr, and behind @ where visitors "
             "connect to on the remote proxy's machine: a port, 0 for any free one, http://:PORT "
             "where they speak HTTP, or https://NAME, http://NAME or tls://NAME on the port that "
             "services share; "
             "NAME=HOST:FIRST-LAST@FIRST-LAST for ports side by side. May be given several times",
             common},
            {"name", as_plain_name(options.name),
             "What the remote proxy calls this origin proxy, and how it tells origin proxies with "
             "the same secret apart"}};
}

OptionList all_options(OriginOptions& options)
{
    OptionList all;
    append(all, "Addresses and services", address_options(options));
    append(all, describe(options.rules));
    append(all, describe_for_each_origin(options.bandwidth_per_origin));
    append(all, "Connections",
           {{"dial-timeout", as_duration(options.dial_timeout),
             "Give up connecting, to the origin server or the remote proxy, after this long"},
            {"max-retries", as_limit(options.max_retries),
             "Exit with status 1 when this many retries to log in have failed one after the other",
             Trait::reloads | Trait::common},
            {"parked-connections", as_number_or_auto(options.parked_connections, most_parked),
             "Connections to keep ready for visitors, which saves each a round trip; auto: as many "
             "as they seem to need, 0: a fresh one for each visitor"}});
    append(all, "Connections", describe(options.connect_through));
    append(all, describe_trust(options.trust));
    append(all, describe(options.common));
    return all;
}

std::vector<OptionTable> all_tables(OriginOptions& options)
{
    OriginServiceTable service;
    TrustOptions trust;
    ConnectThrough way;
    return {{"services", describe(service),
             [&options](const Setting& tables, Problems& problems) {
                 read_services(tables, options, problems);
             },
             "service"},
            {"remote-proxies", describe_remote_proxy(trust, way, {}),
             [&options](const Setting& tables, Problems& problems) {
                 read_remote_proxies(tables, options, problems);
             },
             "remote-proxy-addr", true}};
}

std::vector<CommandForm> all_commands(Command& command)
{
    std::vector<CommandForm> all{
        {"status",
         "shows the state of the running program, with its remote proxies and services",
         {{"--json", "Print JSON instead of a table", &command.json},
          {"--watch", "Print it anew each second, on a terminal in place", &command.watch},
          {"--alive", std::string(help_of_alive), &command.alive}},
         std::string(exit_of_status)},
        {"reload",
         "makes the running program read its files again, as SIGHUP does, and shows what has "
         "changed or what is wrong",
         {{"--json", "Print JSON", &command.json}}}};
    for (CommandForm& each : all) {
        for (CommandForm::Part& part : https_parts(command))
            each.parts.push_back(std::move(part));
    }
    all.push_back(takeover_form(command));
    return all;
}

} // namespace

ProgramDescription describe(OriginOptions& options)
{
    return {"origin-proxy",
            "Runs on a private machine. Makes a TCP server there reachable from the internet "
            "through a public server, where remote-proxy runs. Only ever connects out.",
            {{"origin-proxy --remote-proxy-addr example.com:9001 --origin-server-addr :8000 "
              "--secret-file secret",
              "Make port 8000 of this machine reachable through the remote proxy at example.com:"},
             {"origin-proxy --remote-proxy-addr example.com:9001 --secret-file secret "
              "--service web=:8000@20000 --service ssh=:22@20001",
              "Two services, and at which ports of example.com visitors reach them:"},
             {"origin-proxy --remote-proxy-addr example.com:9001 --secret-file secret "
              "--service app=:8000@https://app",
              "A service with a name: visitors find it at https://app.example.com:"},
             {"origin-proxy check --config origin-proxy.toml",
              "Report everything that is wrong with a configuration file:"}},
            all_options(options),
            all_tables(options),
            all_commands(options.common.command),
            "private side of a reverse tunnel that makes servers reachable"};
}

} // namespace tunnel
