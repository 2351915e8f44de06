#include "origin-proxy/options/parse_service.hpp"

#include <map>
#include <set>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "common/base/log.hpp"
#include "common/options/key_names.hpp"
#include "common/options/outside.hpp"
#include "common/transport/host_name.hpp"
#include "origin-proxy/options/servers.hpp"

namespace tunnel {

namespace {

[[noreturn]] void refuse(std::string_view text, const std::string& why)
{
    throw std::invalid_argument(fmt::format("\"{}\" {}", log::escape(text), why));
}

// "app", "app.example.com", "https:app" or "https:/app": a name that was meant to stand behind
// "https://". Empty: none of these.
std::string host_without_kind(std::string_view where)
{
    if (where.find("://") != std::string_view::npos)
        return {};
    const std::size_t colon = where.find(':');
    if (colon != std::string_view::npos) {
        const std::string_view kind = where.substr(0, colon);
        if (kind != "https" && kind != "http" && kind != "tls")
            return {};
        where.remove_prefix(colon + 1);
        while (where.starts_with('/'))
            where.remove_prefix(1);
    }
    const bool is_number = where.find_first_not_of("0123456789-") == std::string_view::npos;
    const auto host = canonical_host_pattern(where);
    return host && !is_number ? *host : std::string();
}

std::string contradiction_of_names(const std::vector<OriginService>& services)
{
    std::map<std::pair<bool, std::string_view>, std::string_view> taken;
    for (const OriginService& each : services) {
        for (const std::string& host : each.names.hosts) {
            const bool is_tls = share_addresses(each.names.kind, ServiceKind::tls);
            const auto [before, is_new] = taken.try_emplace({is_tls, host}, each.name);
            if (!is_new && !host.empty())
                return fmt::format("the services {} and {} have the same host {}", before->second,
                                   each.name, host);
        }
    }
    return {};
}

} // namespace

std::vector<OriginService> parse_service(std::string_view text)
{
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos)
        refuse(text,
               fmt::format("is not a service such as web=localhost:8000@80: {}", service_syntax));
    const std::string_view name = text.substr(0, equals);
    if (!is_plain_name(name))
        refuse(name, fmt::format("is no name of a service: 1 to {} letters, digits, \".\", \"_\" "
                                 "and \"-\"",
                                 longest_name));
    const std::string_view places = text.substr(equals + 1);
    // A path may have one of its own.
    const std::size_t at = names_unix_socket(places) ? places.rfind('@') : places.find('@');
    const Servers inside = read_servers(places.substr(0, at));
    Outside outside;
    if (at != std::string_view::npos) {
        const std::string_view where = places.substr(at + 1);
        const bool is_port = where.find(':') == std::string_view::npos;
        if (const std::string host = host_without_kind(where);
            !host.empty() && !names_unix_socket(places))
            refuse(text, fmt::format("does not say what visitors of {0} speak: did you mean "
                                     "@https://{0}, @http://{0} or @tls://{0}?",
                                     host));
        outside = read_outside(is_port ? fmt::format(":{}", where) : std::string(where));
        if (const std::string wrong = mismatch(inside, outside.addresses, outside.names);
            !wrong.empty())
            refuse(text, wrong);
    }
    std::vector<OriginService> services;
    OriginService common{std::string(name), {}};
    common.names = std::move(outside.names);
    common.speaks_http = outside.is_http;
    add_services(common, inside, outside.addresses, services);
    return services;
}

std::string contradiction(const std::vector<OriginService>& services)
{
    if (services.size() > most_services)
        return fmt::format("there are {} services, and {} are the most", services.size(),
                           most_services);
    std::set<std::string_view> names;
    for (const OriginService& each : services) {
        if (!names.insert(each.name).second)
            return fmt::format("there are two services {}", each.name);
    }
    return contradiction_of_names(services);
}

} // namespace tunnel
