#include "remote-proxy/options/options.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/base/log.hpp"
#include "common/options/command_line.hpp"
#include "common/options/http_options.hpp"
#include "common/options/overlaps.hpp"
#include "common/protocol/frame.hpp"
#include "remote-proxy/options/configuration.hpp"
#include "remote-proxy/options/description.hpp"
#include "remote-proxy/options/whole_names.hpp"

namespace tunnel {

namespace {

// Origin proxies may have services with names of their own.
bool lets_claim_names(const RemoteOptions& options)
{
    return (!options.fronts.https.empty() || !options.fronts.http.empty()) &&
           (!options.fronts.domain.empty() ||
            std::ranges::any_of(options.allow_hosts,
                                [](const auto& entry) { return !entry.second.empty(); }));
}

// What is wrong with the services; empty: nothing.
std::string wrong_services(const CommandLine& line, RemoteOptions& options)
{
    if (std::string wrong = contradiction(options.fronts); !wrong.empty())
        return wrong;
    if (!options.outside_address && options.services.empty() && options.allow_ports.empty() &&
        !lets_claim_names(options) && !line.has("services") && !options.common.management.address)
        return "--outside-addr, --service, --allow-ports, --https-addr or --http-addr with "
               "--domain or --allow-hosts, or --management-addr is required";
    if (std::string wrong = complete_names(options); !wrong.empty())
        return wrong;
    if (!options.state_file.empty() && !options.common.management.address)
        return "--state-file keeps what the management interface changes: give --management-addr "
               "too";
    if (!options.services.empty() && !line.has("service")) // the tables have been looked at
        return {};
    std::set<std::string_view> names;
    if (options.outside_address)
        names.insert(default_service);
    for (const RemoteService& service : options.services) {
        if (!names.insert(service.name).second)
            return fmt::format("--service: there are two of the name {}", service.name);
    }
    std::vector<Listening> listening = program_addresses(options);
    for (const RemoteService& service : options.services) {
        if (!service.names.given())
            listening.push_back({"--service " + service.name, {}, {service.outside_address}});
    }
    Problems overlaps;
    look_for_overlaps(listening, overlaps);
    return overlaps.empty() ? std::string() : overlaps.first();
}

// Services whose origin proxies have other names than the one that a single secret gives.
std::vector<std::string> services_for_nobody(const RemoteOptions& options)
{
    const TrustOptions& trust = options.trust;
    std::vector<std::string> doubts;
    if (!trust.secret && trust.secret_file.empty()) // there are secrets with names
        return doubts;
    for (const RemoteService& each : options.services) {
        if (may_serve(each, only_origin_name))
            continue;
        doubts.push_back(fmt::format(
            "services.{} is for {}, and with one secret for all no origin proxy has that name, so "
            "none may serve it: give each a table [origins.NAME] with its own secret",
            each.name, log::escape(fmt::format("{}", fmt::join(each.origins, ", ")))));
    }
    return doubts;
}

// Who comes to an address that services share is asked before it is known which one is meant.
std::vector<std::string> rules_without_effect(const RemoteOptions& options)
{
    std::vector<std::string> doubts;
    for (const RemoteService& each : options.services) {
        if (each.names.given() &&
            (each.rules.accept_proxy_from != options.rules.accept_proxy_from ||
             each.rules.foreign_header != options.rules.foreign_header))
            doubts.push_back(fmt::format(
                "accept-proxy-from and foreign-proxy-header of services.{} have no effect, since "
                "it shares an address with others: give them for all services",
                each.name));
    }
    return doubts;
}

// Rights that only somebody with a secret or certificate could have, where nobody is asked for one.
std::vector<std::string> rights_without_effect(const RemoteOptions& options)
{
    if (options.trust.has_secret())
        return services_for_nobody(options);
    if (!options.trust.ca_file.empty())
        return {};
    constexpr std::string_view way_out = "give both proxies --secret-file, or this one "
                                         "--tls-client-ca";
    std::vector<std::string> doubts;
    if (lets_claim_names(options))
        doubts.push_back(fmt::format("--domain and --allow-hosts have no effect without a secret "
                                     "or certificates, and no origin proxy may choose a name: {}",
                                     way_out));
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

// Lets `read` fill `options` from wherever there are some.
void read_into(RemoteOptions& options, const std::function<void(CommandLine&)>& read)
{
    options.trust.accepts = true;
    CommandLine line(describe(options), options.common, options.trust);
    line.check([&line, &options] { return wrong_services(line, options); });
    line.doubt([&options] {
        auto doubts = rights_without_effect(options);
        for (std::string& each : rules_without_effect(options))
            doubts.push_back(std::move(each));
        return doubts;
    });
    read(line);
    if (!line.has("service")) // tables have rules of their own
        return;
    for (RemoteService& each : options.services)
        each.rules = options.rules;
}

} // namespace

std::vector<std::string> certificates_shown(const RemoteOptions& options)
{
    return {options.trust.own.certificate, options.common.management.certificate.certificate};
}

void read_logins(RemoteOptions& options)
{
    std::map<std::string, std::vector<std::string>> files;
    for (RemoteService& each : options.services) {
        const std::string& path = each.basic_auth_file;
        if (path.empty())
            continue;
        auto found = files.find(path);
        if (found == files.end())
            found = files.emplace(path, load_logins(path)).first;
        each.http.logins = found->second;
    }
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

std::optional<int> parse(int argc, const char* const* argv, RemoteOptions& options,
                         const std::function<void(const RemoteOptions&)>& check_start)
{
    std::optional<int> code;
    read_into(options, [&](CommandLine& line) {
        if (check_start)
            line.on_check([&] { check_start(options); });
        code = line.parse(argc, argv);
    });
    return code;
}

RemoteOptions reread_options(int argc, const char* const* argv, const RemoteOptions& current)
{
    RemoteOptions fresh;
    fresh.trust.secret = current.trust.secret;
    fresh.common.default_file = current.common.default_file;
    fresh.handshake_timeout = current.handshake_timeout;
    fresh.probe_timeout = current.probe_timeout;
    fresh.descriptor_limit = current.descriptor_limit;
    read_into(fresh, [&](CommandLine& line) { line.parse_again(argc, argv); });
    return fresh;
}

std::string parse_configuration(std::string_view toml, const std::string& path,
                                RemoteOptions& options)
{
    std::string problems;
    read_into(options, [&](CommandLine& line) { problems = line.parse_text(toml, path); });
    return problems;
}

} // namespace tunnel
