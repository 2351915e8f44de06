#include "origin-proxy/options/options.hpp"

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <map>
#include <stdexcept>

#include <fmt/format.h>

#include "common/base/log.hpp"
#include "common/options/command_line.hpp"
#include "common/options/overlaps.hpp"
#include "origin-proxy/options/description.hpp"
#include "origin-proxy/options/host_name.hpp"
#include "origin-proxy/options/parse_service.hpp"

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

// What is wrong with the services; empty: nothing.
std::string wrong_services(const CommandLine& line, const OriginOptions& options)
{
    const bool has_services = line.has("service") || line.has("services");
    if (line.has("origin-server-addr") && has_services)
        return "--origin-server-addr is for one service without a name, and --service or "
               "[services] for those that have names: give one of the two";
    if (!line.has("origin-server-addr") && !has_services)
        return "--origin-server-addr or --service is required";
    if (!line.has("service")) // the tables of a file have been looked at
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

// Of the flags for all services that are for visitors who speak HTTP. A login in front is missed by
// nobody before it is too late, so that it must hold for all. The service `default` has no offer
// that could say so.
std::string wrong_http(const CommandLine& line, const OriginOptions& options)
{
    const auto& all = options.services;
    const auto other = std::ranges::find_if_not(all, &OriginService::may_be_http);
    const bool has_none = std::ranges::none_of(all, &OriginService::may_be_http);
    for (const char* const key : {host_header_key, basic_auth_file_key}) {
        const bool is_for_all = std::string_view(key) == basic_auth_file_key;
        if (!line.has(key) || (is_for_all ? !all.empty() && other == all.end() : !has_none))
            continue;
        return fmt::format("--{} is for services whose visitors speak HTTP with the remote proxy, "
                           "such as app=:8000@https://app or app=:8000@http://:8080{}",
                           key,
                           has_none ? std::string()
                                    : fmt::format(", and {} is none of them: give it in the tables "
                                                  "[services.NAME] of the others",
                                                  other->name));
    }
    return {};
}

// Once everything is read: what holds for each service, and what is offered with those whose
// visitors may speak HTTP, but for logins.
void settle_rules(const CommandLine& line, OriginOptions& options)
{
    for (OriginService& each : options.services) {
        if (line.has("service")) // tables have rules of their own
            each.rules = options.rules;
        if (!each.may_be_http())
            continue;
        each.http.host_header = each.rules.http.host_header;
        // A connection that begins with the address of one visitor is not for others.
        each.http.shares_streams =
            each.rules.reuse && each.rules.proxy_protocol == ProxyProtocol::off;
    }
}

std::vector<Address> those_without_own_way(const OriginOptions& options)
{
    std::vector<Address> all;
    for (const RemotePeer& each : options.remote_proxies) {
        if (!each.way)
            all.push_back(each.address);
    }
    return all;
}

// The proxies of the environment, which no option names.
std::vector<std::string> ways_of_environment(const OriginOptions& options)
{
    std::vector<std::string> all;
    for (const RemotePeer& each : options.remote_proxies) {
        const ConnectThrough& through = options.way_to(each);
        const auto proxy = forward_proxy_to(each.address, through);
        if (proxy && through.way == ConnectThrough::Way::environment)
            all.push_back(fmt::format("{} is reached through {}, as {} of the environment says",
                                      log::escape(to_string(each.address)),
                                      log::escape(to_string(*proxy)), said_by(through)));
    }
    return all;
}

// What is wrong with all of it together; empty: nothing.
std::string contradiction(const CommandLine& line, const OriginOptions& options)
{
    if (!line.has("remote-proxy-addr") && !line.has("remote-proxies"))
        return "--remote-proxy-addr is required";
    if (std::string way = contradiction(options.connect_through, those_without_own_way(options));
        !way.empty())
        return way;
    const std::string wrong = wrong_services(line, options);
    return wrong.empty() ? wrong_http(line, options) : wrong;
}

// Lets `read` fill `options` from wherever there are some.
void read_into(OriginOptions& options, const std::function<void(CommandLine&)>& read)
{
    options.name = host_name();
    options.connect_through.environment =
        proxy_variables([](const char* name) { return std::getenv(name); });
    CommandLine line(describe(options), options.common, options.trust);
    line.check([&line, &options] {
        settle_rules(line, options);
        return contradiction(line, options);
    });
    line.doubt([&options] { return addresses_of_nobody(options); });
    line.remark([&options] { return ways_of_environment(options); });
    read(line);
}

} // namespace

bool OriginOptions::has_private_files() const
{
    return std::ranges::any_of(remote_proxies, [this](const RemotePeer& each) {
        return trust_of(each).has_private_files();
    });
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

void log_ways(const OriginOptions& options)
{
    for (const RemotePeer& each : options.remote_proxies) {
        const ConnectThrough& through = options.way_to(each);
        if (const auto proxy = forward_proxy_to(each.address, through))
            log::info("connections go through a proxy", {{"remote", to_string(each.address)},
                                                         {"through", to_string(*proxy)},
                                                         {"said-by", said_by(through)}});
    }
}

void read_proxy_passwords(OriginOptions& options)
{
    read_password(options.connect_through);
    for (RemotePeer& each : options.remote_proxies) {
        if (each.way)
            read_password(*each.way);
    }
}

void read_logins(OriginOptions& options)
{
    std::map<std::string, std::vector<std::string>> files;
    std::size_t size = 0;
    for (OriginService& each : options.services) {
        const std::string& path = each.rules.http.basic_auth_file;
        if (path.empty() || !each.may_be_http())
            continue;
        auto found = files.find(path);
        if (found == files.end())
            found = files.emplace(path, load_logins(path)).first;
        each.http.logins = found->second;
        size += size_of_logins(each.http.logins);
    }
    if (size > largest_logins_of_all)
        throw std::runtime_error(
            fmt::format("the logins of all services are larger than {} KiB together, with those "
                        "counted twice that two services have",
                        largest_logins_of_all / 1024));
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

std::optional<int> parse(int argc, const char* const* argv, OriginOptions& options,
                         const std::function<void(const OriginOptions&)>& check_start)
{
    std::optional<int> code;
    read_into(options, [&](CommandLine& line) {
        if (check_start)
            line.on_check([&] { check_start(options); });
        code = line.parse(argc, argv);
    });
    return code;
}

OriginOptions reread_options(int argc, const char* const* argv, const OriginOptions& current)
{
    OriginOptions fresh;
    fresh.trust.secret = current.trust.secret;
    fresh.common.default_file = current.common.default_file;
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
