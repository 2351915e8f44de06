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
    return services_where(*this, [link](const auto& each) { return each.is_served_by(link); });
}

std::vector<RegisteredServicePointer> ServiceList::tunnels_to(const OriginName& origin,
                                                              const std::string& offer) const
{
    return services_where(*this, [&](const auto& each) {
        return each.tunnel && each.tunnel->service == offer &&
               origin.answers_to(each.tunnel->client);
    });
}

std::vector<RegisteredServicePointer> ServiceList::at(const tcp::endpoint& where) const
{
    return services_where(
        *this, [&](const auto& each) { return each.has_address() && overlap(each.where, where); });
}

std::size_t ServiceList::count_of_owner(const std::string& credential) const
{
    return static_cast<std::size_t>(std::ranges::count_if(all_, [&credential](const auto& entry) {
        const auto& owner = entry.second->owner;
        return owner && owner->credential() == credential;
    }));
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
                           service->options.outside_address, service->where,
                           service->options.names});
    return present;
}

RegisteredServicePointer ServiceList::with_host(const std::string& host) const
{
    const auto found = hosts_.find(host);
    return found == hosts_.end() ? nullptr : found->second;
}

// Of a service without an address of its own. The names of tunnels are those at their addresses.
void ServiceList::index(const RegisteredServicePointer& service)
{
    if (is_at_address(service->options))
        return;
    for (const std::string& host : service->options.names.hosts)
        hosts_[host] = service;
}

void ServiceList::drop_index(const RegisteredService& service)
{
    for (const std::string& host : service.options.names.hosts) {
        if (const auto found = hosts_.find(host);
            found != hosts_.end() && found->second.get() == &service)
            hosts_.erase(found);
    }
}

void ServiceList::rename(const RegisteredServicePointer& service, PublicNames names)
{
    drop_index(*service);
    service->options.names = std::move(names);
    index(service);
}

RegisteredServicePointer ServiceList::add(RemoteService options, const tcp::endpoint& where)
{
    auto service = std::make_shared<RegisteredService>(
        RegisteredService{++latest_, std::move(options), where});
    all_[service->options.name] = service;
    index(service);
    with_address_ += is_at_address(service->options) ? 1 : 0;
    return service;
}

void ServiceList::remove(const RegisteredService& service)
{
    drop_index(service);
    with_address_ -= is_at_address(service.options) ? 1 : 0;
    all_.erase(service.options.name);
    ++removed_;
}

} // namespace tunnel
