#include "remote-proxy/registry/service_list.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/base/error.hpp"

namespace tunnel {

namespace {

// What a service of it can be called, the first that is free: where the credential has a name, that
// of the machine is not needed as long as no other of them has the same service.
std::vector<std::string> keys_of(const OriginName& origin, const std::string& name)
{
    const std::string full = fmt::format("{}/{}", origin.identity(), name);
    return {fmt::format("{}/{}", origin.family(), name), full, full + "#2"};
}

// Tunnels with names have addresses of their own, too.
bool is_at_address(const RemoteService& options)
{
    return !options.names.given() || options.outside_address.port != 0;
}

template <class Condition>
std::vector<RegisteredServicePointer> services_where(const ServiceList& all, Condition condition)
{
    std::vector<RegisteredServicePointer> found;
    for (const auto& [name, service] : all) {
        if (condition(*service))
            found.push_back(service);
    }
    return found;
}

} // namespace

RegisteredServicePointer ServiceList::find(const std::string& name) const
{
    const auto found = all_.find(name);
    return found == all_.end() ? nullptr : found->second;
}

RegisteredServicePointer ServiceList::opened_by(const OriginName& origin,
                                                const std::string& name) const
{
    for (const std::string& key : keys_of(origin, name)) {
        const RegisteredServicePointer service = find(key);
        if (service && service->owner && service->owner->is_alike(origin) &&
            service->options.offer() == name)
            return service;
    }
    return nullptr;
}

std::string ServiceList::name_for(const OriginName& origin, const std::string& name) const
{
    for (const std::string& key : keys_of(origin, name)) {
        if (!all_.contains(key))
            return key;
    }
    fail(std::make_error_code(std::errc::file_exists),
         fmt::format("others have services that are called as \"{}\" of {} is", name,
                     origin.shown()));
}

std::vector<RegisteredServicePointer> ServiceList::served_by(std::uint64_t link) const
{
    const auto found = by_link_.find(link);
    return found == by_link_.end() ? std::vector<RegisteredServicePointer>() : found->second;
}

std::vector<RegisteredServicePointer> ServiceList::tunnels_to(const OriginName& origin,
                                                              const std::string& offer) const
{
    std::vector<RegisteredServicePointer> found;
    for (const auto& [name, service] : tunnels_) {
        if (service->tunnel->service == offer && origin.answers_to(service->tunnel->client))
            found.push_back(service);
    }
    return found;
}

std::vector<RegisteredServicePointer> ServiceList::at(const tcp::endpoint& where) const
{
    return services_where(
        *this, [&](const auto& each) { return each.has_address() && overlap(each.where, where); });
}

std::size_t ServiceList::count_of_owner(const std::string& credential) const
{
    const auto found = owned_.find(credential);
    return found == owned_.end() ? 0 : found->second.with_address;
}

std::size_t ServiceList::names_of_owner(const std::string& credential) const
{
    const auto found = owned_.find(credential);
    return found == owned_.end() ? 0 : found->second.with_names;
}

std::optional<std::string> ServiceList::meant_by(const std::string& name) const
{
    if (all_.contains(name))
        return name;
    std::optional<std::string> meant;
    for (const auto& [key, service] : all_) {
        if (!service->owner)
            continue;
        if (service->lasting_name() == name)
            return key;
        if (service->options.offer() == name && std::exchange(meant, key))
            return std::nullopt;
    }
    return meant;
}

std::vector<PresentService> ServiceList::present() const
{
    std::vector<PresentService> present;
    present.reserve(all_.size());
    for (const auto& [name, service] : all_)
        present.push_back({name, service->source(), service->options.offer(),
                           service->owner ? service->owner->credential() : std::string(),
                           service->options.outside_address, service->where, service->options.names,
                           service->options.speaks_http});
    return present;
}

RegisteredServicePointer ServiceList::with_host(ServiceKind kind, const std::string& host) const
{
    const Hosts& hosts = hosts_of(kind);
    const auto found = hosts.find(host);
    return found == hosts.end() ? nullptr : found->second;
}

// Of a service without an address of its own. The names of tunnels are those at their addresses.
void ServiceList::index(const RegisteredServicePointer& service)
{
    if (is_at_address(service->options))
        return;
    Hosts& hosts = hosts_of(service->options.names.kind);
    for (const std::string& host : service->options.names.hosts)
        hosts[host] = service;
}

void ServiceList::drop_index(const RegisteredService& service)
{
    Hosts& hosts = hosts_of(service.options.names.kind);
    for (const std::string& host : service.options.names.hosts) {
        if (const auto found = hosts.find(host);
            found != hosts.end() && found->second.get() == &service)
            hosts.erase(found);
    }
}

void ServiceList::rename(const RegisteredServicePointer& service, PublicNames names)
{
    drop_index(*service);
    service->options.names = std::move(names);
    index(service);
}

RegisteredServicePointer ServiceList::add(RemoteService options, const tcp::endpoint& where,
                                          std::shared_ptr<const OriginName> owner,
                                          std::optional<PublicTunnel> tunnel)
{
    auto service = std::make_shared<RegisteredService>(RegisteredService{
        ++latest_, std::move(options), where, std::move(owner), std::move(tunnel)});
    const std::string& name = service->options.name;
    all_[name] = service;
    if (service->tunnel)
        tunnels_[name] = service;
    index(service);
    count(*service, true);
    return service;
}

// The links that serve it are the caller's to detach.
void ServiceList::remove(const RegisteredService& service)
{
    set_outage(find(service.options.name), std::nullopt);
    drop_index(service);
    count(service, false);
    tunnels_.erase(service.options.name);
    all_.erase(service.options.name);
    ++removed_;
}

void ServiceList::count(const RegisteredService& service, bool is_new)
{
    const auto change = [is_new](std::size_t& number) { is_new ? ++number : --number; };
    const bool is_at = is_at_address(service.options);
    if (is_at)
        change(with_address_);
    if (!service.owner)
        return;
    const auto owned = owned_.try_emplace(service.owner->credential()).first;
    change(is_at ? owned->second.with_address : owned->second.with_names);
    if (owned->second.with_address + owned->second.with_names == 0)
        owned_.erase(owned);
}

void ServiceList::attach(const RegisteredServicePointer& service, std::uint64_t link)
{
    if (service->is_served_by(link))
        return;
    service->links.push_back(link);
    by_link_[link].push_back(service);
}

void ServiceList::detach(const RegisteredServicePointer& service, std::uint64_t link)
{
    std::erase(service->links, link);
    const auto found = by_link_.find(link);
    if (found == by_link_.end())
        return;
    std::erase(found->second, service);
    if (found->second.empty())
        by_link_.erase(found);
}

void ServiceList::set_outage(const RegisteredServicePointer& service,
                             std::optional<Clock::time_point> ends)
{
    if (service->outage_ends)
        outages_.erase({*service->outage_ends, service});
    service->outage_ends = ends;
    if (ends)
        outages_.insert({*ends, service});
}

std::optional<Clock::time_point> ServiceList::next_outage() const
{
    return outages_.empty() ? std::nullopt : std::optional(outages_.begin()->first);
}

std::vector<RegisteredServicePointer> ServiceList::outages_over(Clock::time_point now) const
{
    std::vector<RegisteredServicePointer> over;
    for (const auto& [ends, service] : outages_) {
        if (ends > now)
            break;
        over.push_back(service);
    }
    return over;
}

} // namespace tunnel
