#include "remote-proxy/options/whole_names.hpp"

#include <map>
#include <utility>

#include <fmt/format.h>

namespace tunnel {

namespace {

// What is wrong with the names of one service by itself.
std::string wrong_names(const RemoteService& service, const FrontOptions& fronts)
{
    const ServiceKind kind = service.names.kind;
    if (fronts.of(kind).empty())
        return fmt::format("has names, and there is no address for its visitors: give --{}-addr "
                           "too",
                           kind == ServiceKind::http ? "http" : "https");
    if (kind == ServiceKind::https && fronts.certificates.empty())
        return "is of the kind https, and there are no certificates: give --certificates too, or "
               "use tls";
    for (const std::string& host : service.names.hosts) {
        if (host.empty())
            return "asks for any name, as only origin proxies can: say which";
    }
    return {};
}

} // namespace

std::string whole_host(std::string_view host, std::string_view domain)
{
    const bool is_label = !host.empty() && host != "*" && host.find('.') == std::string_view::npos;
    return is_label && !domain.empty() ? fmt::format("{}.{}", host, domain) : std::string(host);
}

std::string complete_names(RemoteOptions& options)
{
    const std::string& domain = options.fronts.domain;
    for (auto& [name, hosts] : options.allow_hosts) {
        for (std::string& host : hosts)
            host = whole_host(host, domain);
    }
    std::map<std::pair<bool, std::string_view>, std::string_view> taken;
    for (RemoteService& service : options.services) {
        if (!service.names.given())
            continue;
        if (const std::string wrong = wrong_names(service, options.fronts); !wrong.empty())
            return fmt::format("service {} {}", service.name, wrong);
        for (std::string& host : service.names.hosts) {
            host = whole_host(host, domain);
            const bool is_tls = share_addresses(service.names.kind, ServiceKind::tls);
            const auto [before, is_new] = taken.try_emplace({is_tls, host}, service.name);
            if (!is_new)
                return fmt::format("the services {} and {} have the same host {}", before->second,
                                   service.name, host);
        }
    }
    return {};
}

} // namespace tunnel
