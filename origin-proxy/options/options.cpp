#include "origin-proxy/options/options.hpp"

#include <algorithm>
#include <functional>

#include <fmt/format.h>

#include "common/base/log.hpp"
#include "common/commands/preflight.hpp"
#include "common/options/bandwidth_options.hpp"
#include "common/options/overlaps.hpp"
#include "common/options/rule_options.hpp"
#include "origin-proxy/link/trusted_remote.hpp"
#include "origin-proxy/options/configuration.hpp"
#include "origin-proxy/options/host_name.hpp"
#include "origin-proxy/options/parse_service.hpp"
#include "origin-proxy/options/remote_peers.hpp"

namespace tunnel {

namespace {

std::vector<std::string> addresses_of_nobody(const OriginOptions& options)
{
    std::vector<std::string> doubts;
    const auto look = [&doubts](std::string_view option, const Address& address) {
        if (address.port == 0)
            doubts.push_back(fmt::format("{} {}: nobody can connect to port 0", option,
                                         log::escape(to_string(address))));
    };
    for (const RemotePeer& each : options.remote_proxies)
        look("remote-proxy-addr", each.address);
    const bool is_only = options.services.empty(); // else it was not given
    if (is_only && !options.origin_server_address.is_unix())
        look("origin-server-addr", options.origin_server_address.tcp());
    return doubts;
}

void add_tables(CommandLine& line, OriginOptions& options)
{
    const auto take = [&options](const Setting& table, Problems& problems) {
        read_services(table, options, problems);
    };
    line.add_table("services", take, "--service");
    line.add_table(
        "remote-proxies",
        [&options](const Setting& table, Problems& problems) {
            read_remote_proxies(table, options, problems);
        },
        "--remote-proxy-addr", CommandLine::InFile::both);
    line.doubt([&options] { return addresses_of_nobody(options); });
    line.on_check([&options] {
        asio::io_context io(1);
        Preflight preflight(options.common);
        preflight.attempt([&options] { trusted_remotes(options); });
        preflight.look_at_common_options(io);
        preflight.become_user(false);
        preflight.enter_sandbox({options.common.management.socket_file(),
                                 {},
                                 false,
                                 options.trusts_system_authorities()});
        preflight.finish();
    });
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
    if (const std::string wrong = contradiction(options.services); !wrong.empty())
        return "--service: " + wrong;
    std::vector<Listening> outside;
    for (const OriginService& each : options.services) {
        if (each.outside_address)
            outside.push_back({"--service " + each.name, {}, {*each.outside_address}});
    }
    Problems overlaps;
    look_for_overlaps(outside, overlaps);
    return overlaps.empty() ? std::string() : overlaps.first();
}

// What is wrong with all of it together; empty: nothing.
std::string contradiction(const CommandLine& line, const OriginOptions& options)
{
    if (!line.has("--remote-proxy-addr") && !line.has("remote-proxies"))
        return "--remote-proxy-addr is required";
    return wrong_services(line, options);
}

// What the flag says of all. A table of the file may say otherwise.
void complete(const CommandLine& line, OriginOptions& options)
{
    if (!line.has("--service"))
        return;
    for (OriginService& each : options.services)
        each.rules = options.rules;
}

void describe(CommandLine& line)
{
    line.describe(
        {{"origin-proxy --remote-proxy-addr example.com:9001 --origin-server-addr :8000 "
          "--secret-file secret",
          "Make port 8000 of this machine reachable through the remote proxy at example.com:"},
         {"origin-proxy --remote-proxy-addr example.com:9001 --secret-file secret "
          "--service web=:8000@20000 --service ssh=:22@20001",
          "Two services, and at which ports of example.com visitors reach them:"},
         {"origin-proxy check --config origin-proxy.toml",
          "Report everything that is wrong with a configuration file:"}},
        {"--remote-proxy-addr", "--origin-server-addr", "--service", "--secret-file",
         "--proxy-protocol", "--health-check", "--max-retries", "--management-addr", "--log-level",
         "--log-format", "--watch"});
}

// Beside the rules of services, all that OriginProxy::reload() takes from the options.
void say_what_reloads(CommandLine& line)
{
    line.applied_by_reload({"--remote-proxy-addr", "--origin-server-addr", "--service",
                            "--max-bandwidth-up-per-origin", "--max-bandwidth-down-per-origin",
                            "--max-retries", "--tls-ca", "--tls-server-name", "--tls-insecure"});
}

void add_flags(CommandLine& line, OriginOptions& options)
{
    describe(line);
    line.group("Addresses and services");
    line.add_each("--remote-proxy-addr", "HOST:PORT",
                  "The control address of the remote proxy. May be given several times: visitors "
                  "of each of these remote proxies are served",
                  [&options](std::string_view text) { add_remote_proxy(text, options); });
    line.add("--origin-server-addr", options.origin_server_address,
             "The server to make reachable; \":8000\" means port 8000 of this machine, "
             "unix:/run/app.sock a Unix socket");
    line.add_each("--service", std::string(service_syntax),
                  "A service with a name, instead of --origin-server-addr, and behind @ where "
                  "visitors connect to on the remote proxy's machine, 0 for any free port; "
                  "NAME=HOST:FIRST-LAST@FIRST-LAST for ports side by side. May be given several "
                  "times",
                  [&options](std::string_view text) {
                      for (OriginService& each : parse_service(text))
                          options.services.push_back(std::move(each));
                  });
    options.name = host_name();
    line.add_plain_name(
        "--name", options.name,
        "What the remote proxy calls this origin proxy, and tells it from others with the "
        "same secret by");
    tunnel::add_flags(line, serving_rule_options(), options.rules);
    line.group("Bandwidth");
    add_origin_bandwidth(line, options.bandwidth_per_origin);
    line.group("Connections");
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
    line.add_name("--tls-server-name", options.trust.server_name,
                  "The name in the remote proxy's certificate, if it is not the host in "
                  "--remote-proxy-addr");
    line.add_switch("--tls-insecure", options.trust.insecure,
                    "Take any certificate: encrypted, but perhaps with somebody else");
    line.add(options.common);
    say_what_reloads(line);
    Command& command = options.common.command;
    line.add_command(
        {"status",
         "shows the state of the running program, with its remote proxies and services",
         {{"--json", "Print JSON instead of a table", &command.json},
          {"--watch", "Print it anew each second, on a terminal in place", &command.watch}},
         std::string(exit_of_status)});
    line.add_command({"reload",
                      "makes the running program read its files again, as SIGHUP does, and shows "
                      "what has changed or what is wrong",
                      {{"--json", "Print JSON", &command.json}}});
    add_tables(line, options);
    line.check([&line, &options] { return contradiction(line, options); });
}

// Lets `read` fill `options` from wherever there are some.
void read_into(OriginOptions& options, const std::function<void(CommandLine&)>& read)
{
    CommandLine line("origin-proxy",
                     "Runs on a private machine. Makes a TCP server there reachable from the "
                     "internet through a public server, where remote-proxy runs. Only ever "
                     "connects out.");
    add_flags(line, options);
    read(line);
    complete(line, options);
}

} // namespace

bool OriginOptions::has_private_files() const
{
    return std::ranges::any_of(remote_proxies, [this](const RemotePeer& each) {
        return trust_of(each).has_private_files();
    });
}

std::vector<std::filesystem::path> OriginOptions::files_to_read_again() const
{
    auto files = tunnel::files_to_read_again(common, trust);
    for (const RemotePeer& each : remote_proxies) {
        if (!each.trust)
            continue;
        const auto more = each.trust->files();
        files.insert(files.end(), more.begin(), more.end());
    }
    return files;
}

bool OriginOptions::trusts_system_authorities() const
{
    return std::ranges::any_of(remote_proxies, [this](const RemotePeer& each) {
        const TrustOptions& its = trust_of(each);
        if (its.has_secret())
            return false;
        const bool certificates = its.own.given() || its.insecure || !its.server_name.empty() ||
                                  !its.ca_file.empty() || its.encryption == Encryption::tls;
        // A reload may take an authority's file out of a configuration.
        return certificates && (its.ca_file.empty() || !common.files.top.empty());
    });
}

std::vector<std::string> unix_servers(const OriginOptions& options)
{
    std::vector<std::string> paths;
    if (options.origin_server_address.is_unix())
        paths.push_back(options.origin_server_address.unix_path);
    for (const OriginService& each : options.services) {
        if (each.origin_server_address.is_unix())
            paths.push_back(each.origin_server_address.unix_path);
    }
    return paths;
}

std::vector<std::string> OriginOptions::certificates_shown() const
{
    std::vector<std::string> files{common.management.certificate.certificate};
    for (const RemotePeer& each : remote_proxies)
        files.push_back(trust_of(each).own.certificate);
    return files;
}

std::optional<int> parse(int argc, const char* const* argv, OriginOptions& options)
{
    std::optional<int> code;
    read_into(options, [&](CommandLine& line) { code = line.parse(argc, argv); });
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
    read_into(fresh, [&](CommandLine& line) { line.parse_again(argc, argv); });
    return fresh;
}

std::string parse_configuration(std::string_view toml, const std::string& path,
                                OriginOptions& options)
{
    std::string problems;
    read_into(options, [&](CommandLine& line) { problems = line.parse_text(toml, path); });
    return problems;
}

} // namespace tunnel
